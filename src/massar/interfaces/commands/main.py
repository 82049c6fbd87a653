"""The `massar` command line: every command and its options on one page.

The module of a command is loaded by name once the settings are read: models can't be imported before, and `--help`
must work without any settings.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

import django
from django.db import Error

EPILOG = "Settings are read from the environment (MASSAR_...) or from a file named .env; `massar check` judges them."


INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code. Mistakes in the settings are said one sentence each."""
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(argv: list[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if not hasattr(options, "module"):
        parser.print_help()
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
    if options.before:
        done = import_module(options.before).prepare(options)
        if done is not None:
            return done
    try:
        django.setup()
    except Exception as refused:
        mistakes = getattr(refused, "mistakes", None)
        if mistakes is None:
            raise
        print(
            "Massar can't start with these settings:",
            *(f"  - {m}" for m in mistakes),
            sep="\n",
            file=sys.stderr,
        )
        return 2
    return _with_a_database(options)


def _with_a_database(options) -> int:
    """Runs the command where the database fits it, and says in one sentence why it does not run or go on."""
    tables = import_module("massar.interfaces.commands.tables")
    if options.tables and (sentence := tables.trouble()):
        print(sentence, file=sys.stderr)
        return 2
    try:
        return import_module(options.module).run(options)
    except Error as met:
        print(tables.trouble() or f"The database refused: {tables.said(met)}.", file=sys.stderr)
        return 1
    except OSError as met:
        if met.filename is None:
            raise
        print(f"{met.strerror}: {met.filename}. Put that right and start again.", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="massar", description="One account for a whole school ministry.", epilog=EPILOG
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (
        _demo, _serve, _worker, _bounces, _check, _newkeys, _migrate, _backup, _createperson, _people, _audit, _messages,
        _send_test, _sites, _keys,
    ):  # fmt: skip
        add(commands)
    return parser


def _command(
    commands, name: str, what: str, more: str, *, module: str = "", before: str = "", tables: bool = True
) -> argparse.ArgumentParser:
    """tables: it needs the database with the tables of this version. before: what runs without any settings."""
    one = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}. {more}", epilog=EPILOG)
    one.set_defaults(module=module or f"massar.interfaces.commands.{name}", before=before, tables=tables)
    return one


def _demo(commands) -> None:
    one = _command(
        commands,
        "demo",
        "try the product on this machine, with a phone and a mailbox on screen",
        "Web server, worker and receivers run together and listen on this machine only. Data stay under var/demo "
        "until --reset. Ctrl-C stops all of it.",
        before="massar.interfaces.commands.demo",
        tables=False,
    )
    one.add_argument("--port", type=int, default=8000, help="port of the web server (default 8000)")
    one.add_argument("--reset", action="store_true", help="empty the demo's data and stop")


def _serve(commands) -> None:
    one = _command(
        commands,
        "serve",
        "start the web server",
        "One process per core; a reverse proxy in front speaks TLS. Run `massar migrate` before and `massar worker` beside it.",
    )
    one.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    one.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    one.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="server processes (default: one per core)"
    )


def _worker(commands) -> None:
    one = _command(
        commands,
        "worker",
        "answer recovery requests and hand messages over",
        "Runs until it is stopped. Several may run, on one machine or many: leases keep them out of each other's way, "
        "and what a dying one held is taken over by the next.",
    )
    one.add_argument("--senders", type=int, default=4, help="messages handed over at the same time (default 4)")
    one.add_argument("--quiet", action="store_true", help="say only what went wrong")


def _bounces(commands) -> None:
    one = _command(
        commands,
        "bounces",
        "take in mail that came back",
        "An LMTP server (RFC 2033) for your mail server, which hands on what arrives for the domain for bounces. It asks "
        "for no password: let nobody else reach it. Runs until it is stopped.",
    )
    one.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    one.add_argument("--port", type=int, default=2424, help="port to listen on (default 2424)")
    one.add_argument("--socket", default="", metavar="PATH", help="listen on a Unix socket instead")


def _check(commands) -> None:
    _command(
        commands,
        "check",
        "judge the settings, reach the database and every provider",
        "Says what to put right, one sentence each; ends with code 1 if there is anything.",
        tables=False,
    )


def _newkeys(commands) -> None:
    _command(
        commands,
        "newkeys",
        "print a new MASSAR_SECRET_KEY and MASSAR_DATA_KEYS",
        "Keep them apart from the database and its backups.",
        before="massar.interfaces.commands.newkeys",
    )


def _migrate(commands) -> None:
    _command(commands, "migrate", "bring the database's tables up to date", "Safe to run again.", tables=False)


def _backup(commands) -> None:
    one = _command(
        commands,
        "backup",
        "copy the database, whole, while people work",
        "SQLite only: the copy is verified, nobody else may read it, and nothing is overwritten. Of PostgreSQL it prints the "
        "command of pg_dump and ends with code 2. Keep the keys somewhere else.",
        tables=False,
    )
    one.add_argument("path", metavar="PATH", help="file that is made")


def _createperson(commands) -> None:
    one = _command(
        commands,
        "createperson",
        "add one person",
        "The initial password is read from the terminal, must keep the rules, and is not needed when a contact is given: "
        "the person then starts by recovery. Whoever runs this command vouches for the contacts.",
    )
    one.add_argument("login", help="institution address, as jamal.jalal@taalim.ma")
    one.add_argument("--name-ar", nargs=2, metavar=("FIRST", "FAMILY"), default=("", ""), help="name in Arabic letters")
    one.add_argument("--name", nargs=2, metavar=("FIRST", "FAMILY"), default=("", ""), help="name in Latin letters")
    one.add_argument(
        "--school",
        nargs=3,
        metavar=("CODE", "NAME_AR", "NAME"),
        help="establishment: code and name in both scripts",
    )
    one.add_argument("--language", choices=("ar", "fr", "en"), default="ar", help="language of messages (default ar)")
    one.add_argument(
        "--role", choices=("staff", "operator"), default="staff", help="an operator also sees the pages under /desk/"
    )
    one.add_argument("--email", default="", help="personal e-mail, vouched for")
    one.add_argument("--phone", default="", help="personal mobile phone, vouched for")
    one.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    one.add_argument("--no-password", action="store_true", help="no password: the person starts by recovery")


def _people(commands) -> None:
    one = _command(
        commands,
        "people",
        "disable accounts of people who left, or enable them again",
        "A disabled account signs in nowhere: its sessions, temporary passwords and half-done changes end, and the sites "
        "that are open are told by the worker.",
    )
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, what in (
        ("disable", "shut accounts at once, here and at every site"),
        ("enable", "let their people sign in again"),
    ):
        action = actions.add_parser(name, help=what, description=f"{what.capitalize()}.")
        action.add_argument("logins", nargs="+", metavar="LOGIN", help="institution address, as jamal.jalal@taalim.ma")
        action.add_argument("--reason", default="", help="kept in the audit log, at most 200 characters")


def _audit(commands) -> None:
    one = _command(
        commands,
        "audit",
        "print the audit log of a person, or verify all of it",
        "The audit log holds no secret and no whole contact. --verify names the rows that were written or changed without the key.",
    )
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("--person", metavar="LOGIN", help="institution address of the person")
    which.add_argument("--verify", action="store_true", help="verify the signature of every row")
    one.add_argument("--limit", type=int, default=50, help="how many rows, newest first (default 50)")


def _send_test(commands) -> None:
    one = _command(
        commands,
        "send-test",
        "send a real message through one provider and print each step",
        "It goes past queue, breakers and budgets, and costs what a message costs. Ends with code 1 where it stops.",
        module="massar.interfaces.commands.send_test",
    )
    one.add_argument("provider", help="its name; `massar messages` lists them")
    one.add_argument("to", help="an address, or a mobile number as people type it")
    one.add_argument("--language", choices=("ar", "fr", "en"), help="of the words (default fr, of a long text ar)")
    one.add_argument(
        "--long",
        action="store_true",
        help="an SMS of several segments, whose number is compared with what the provider says",
    )
    one.add_argument(
        "--wait", type=int, default=60, metavar="SECONDS", help="for the receipt (default 60; 0: do not wait)"
    )


def _messages(commands) -> None:
    one = _command(
        commands,
        "messages",
        "show the queue, the providers, the last errors and the alarms",
        "Of the last hour; no address or number is shown. With --follow again every two seconds until Ctrl-C.",
    )
    one.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    one.add_argument("--day", action="store_true", help="of the last 24 hours")
    one.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


def _sites(commands) -> None:
    one = _command(
        commands,
        "sites",
        "list, judge and try the registered sites",
        "The six of the guide and those of the file MASSAR_CONFIG. `show` prints what to paste at the other side, `test` "
        "asks the site over the network.",
        tables=False,
    )
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, what in (
        ("list", "every site, its protocol, whether it is connected"),
        (
            "check",
            "judge certificates, addresses, sign-outs; ends with code 1 if there is anything to put right, with 0 for notes",
        ),
    ):
        actions.add_parser(name, help=what, description=what.capitalize())
    what = "print a new client secret and its hash for the file"
    secret = actions.add_parser("secret", help=what, description=what.capitalize())
    secret.add_argument(
        "--own", action="store_true", help="the hash of a secret that is there already, read from the input"
    )
    for name, what in (
        ("show", "the settings for whoever runs that site"),
        ("test", "ask the site over the network, as a stranger and as the account"),
    ):
        actions.add_parser(name, help=what, description=what.capitalize()).add_argument("slug", metavar="SLUG")
    what = "print what the site calls each person (NameID, sub), for sites that must know it beforehand"
    subjects = actions.add_parser("subjects", help=what, description=what.capitalize())
    subjects.add_argument("slug", metavar="SLUG")
    subjects.add_argument("file", metavar="FILE", help="institution addresses, one a line")
    what = "print a SAML site's metadata as the table to paste into the file"
    metadata = actions.add_parser("import-metadata", help=what, description=what.capitalize())
    metadata.add_argument("file", metavar="FILE", help="the site's metadata, XML")
    metadata.add_argument("slug", metavar="SLUG", nargs="?", default="", help="its name in the registry")


def _days(text: str) -> int:
    """How long before it signs a key may be published: long enough for caches, short enough to be meant."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 90:
        raise argparse.ArgumentTypeError("give a whole number of days from 1 to 90")
    return int(text)


def _keys(commands) -> None:
    one = _command(
        commands,
        "keys",
        "list or roll the keys that sign for sites",
        "A new key is published before it signs, so no site notices: a day for tokens, two weeks for the SAML certificate, of "
        "which many sites hold a copy. Run `rotate` every 90 days, `rotate --use saml` every two years. --at-once is for a "
        "stolen key: it signs no longer, and sites that keep old key sets may refuse sign-ins for up to an hour.",
    )
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every key, what it is for, since when", description="Every key.")
    rotate = actions.add_parser("rotate", help="make the next keys", description="Makes the next keys.")
    start = rotate.add_mutually_exclusive_group()
    start.add_argument("--at-once", action="store_true", help="sign with them now and remove the others")
    start.add_argument(
        "--days", type=_days, metavar="DAYS", help="published so long before they sign (default 1; SAML 14)"
    )
    rotate.add_argument(
        "--use", choices=("oidc", "saml"), default="oidc", help="which keys: tokens or SAML (default oidc)"
    )
