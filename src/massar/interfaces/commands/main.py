"""The `massar` command line: every command and its options on one page.

The module of a command is loaded by name once the settings are read: models can't be imported before, and `--help` must
work without any settings."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.db import Error

from massar.core import processes

EPILOG = "Settings are read from the environment (MASSAR_...) or from a file named .env; `massar check` judges them."
KIND = "what people are where no column says so (default: what their account is, staff where there is none)"
COLUMN = "what a column holds (login, code, payroll, first_ar, unit, email …); TITLE= leaves it alone"
LOGIN = "institution address, as jamal.jalal@taalim.ma"
LANGUAGES = ("ar", "fr", "en")
CAMPAIGN_KINDS, CAMPAIGN_REASONS = ("change", "contacts", "phones"), ("old", "rules", "exposed")  # as the room has them
# As the room of people has them: its models can't be loaded for --help. A test holds them together.
UNIT_KINDS = ("ministry", "academy", "directorate", "establishment", "class")
ROLES = ("ministry_desk", "academy_desk", "directorate_desk", "head", "teacher")
Command = Callable[..., argparse.ArgumentParser]
INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    options = parser.parse_args(argv)
    if not hasattr(options, "module"):
        parser.print_help()
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
    try:
        return _run(options)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    if options.before:
        done: int | None = import_module(options.module).prepare(options)
        if done is not None:
            return done
    try:
        with processes.uncollected():
            django.setup()
            tables, command = import_module("massar.interfaces.commands.tables"), import_module(options.module)
    except Exception as refused:
        mistakes = getattr(refused, "mistakes", None)  # SettingsError: who reads settings is not loaded for --help
        if mistakes is None:
            raise
        sentences = (f"  - {mistake}" for mistake in mistakes)
        print("Massar can't start with these settings:", *sentences, sep="\n", file=sys.stderr)
        return 2
    if options.tables and (sentence := tables.trouble() or (options.keys and tables.trouble_with_keys())):
        print(sentence, file=sys.stderr)
        return 2
    tables.follow_keys()
    try:
        code: int = getattr(command, options.run)(options)
        return code
    except tables.KeyMissing as sentence:
        print(sentence, file=sys.stderr)
        return 2
    except Error as met:
        print(tables.trouble() or f"The database refused: {tables.said(met)}.", file=sys.stderr)
        return 1
    except OSError as met:
        if met.filename is None:
            raise
        print(f"{met.strerror}: {met.filename}. Put that right and start again.", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    what = "One account for a whole school ministry."
    parser = argparse.ArgumentParser(prog="massar", description=what, epilog=EPILOG)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (_programs, _people, _season, _units, _campaigns, _audit, _messages, _sites):
        add(partial(_command, commands))
    return parser


def _command(
    commands: Any, name: str, what: str, *, more: str, before: bool = False, tables: bool = True, keys: bool = True,
    module: str = "", run: str = "run",
) -> argparse.ArgumentParser:  # fmt: skip
    """before: it has something to do without any settings; tables: it needs those of this version; keys: and the keys
    that they are written with."""
    one = _action(commands, name, what, more)
    module = f"massar.interfaces.commands.{module or name.replace('-', '_')}"
    one.set_defaults(module=module, run=run, before=before, tables=tables, keys=keys)
    return one


def _action(actions: Any, name: str, what: str, more: str = "") -> argparse.ArgumentParser:
    description = f"{what[:1].upper()}{what[1:]}. {more}"
    one: argparse.ArgumentParser = actions.add_parser(name, help=what, description=description, epilog=EPILOG)
    return one


def _programs(command: Command) -> None:
    """What runs until it is stopped, and what an installation needs besides."""
    what = "try the product on this machine, with a phone and a mailbox on screen"
    demo = command("demo", what, before=True, tables=False, more="""
        Web server, worker and receivers run together and listen on this machine only. Data stay under var/demo
        until --reset. Ctrl-C stops all of it.
        """)  # fmt: skip
    demo.add_argument("--port", type=int, default=8000, help="port of the web server (default 8000)")
    demo.add_argument("--reset", action="store_true", help="empty the demo's data and stop")
    serve = command("serve", "start the web server", more="""
        One process per core; a reverse proxy in front speaks TLS. Run `massar migrate` before and `massar
        worker` beside it.
        """)  # fmt: skip
    _listens(serve, 8000)
    processes = "server processes (default: one per core)"
    serve.add_argument("--processes", type=int, default=os.cpu_count() or 1, help=processes)
    worker = command("worker", "answer recovery requests and hand messages over", more="""
        Runs until it is stopped. Several may run, on one machine or many: leases keep them out of each other's
        way, and what a dying one held is taken over by the next.
        """)  # fmt: skip
    worker.add_argument("--senders", type=int, default=4, help="messages handed over at the same time (default 4)")
    worker.add_argument("--quiet", action="store_true", help="say only what went wrong")
    bounces = command("bounces", "take in mail that came back", more="""
        An LMTP server (RFC 2033) for your mail server, which hands on what arrives for the domain for bounces.
        It asks for no password: let nobody else reach it. Runs until it is stopped.
        """)  # fmt: skip
    _listens(bounces, 2424)
    bounces.add_argument("--socket", default="", metavar="PATH", help="listen on a Unix socket instead")
    check = command("check", "judge the settings, reach the database and every provider", tables=False, more="""
        Says what to put right, one sentence each; ends with code 1 if there is anything.
        """)  # fmt: skip
    deploy = "judge what is unsafe before people come, too; warnings alone end with code 0"
    check.add_argument("--deploy", action="store_true", help=deploy)
    command("newkeys", "print new keys: MASSAR_SECRET_KEY, MASSAR_DATA_KEYS, MASSAR_AUDIT_KEY", before=True, more="""
        Keep them apart from the database and its backups.
        """)  # fmt: skip
    what = "bring the database's tables up to date"
    command("migrate", what, tables=False, module="tables", run="migrate", more="Safe to run again.")
    backup = command("backup", "copy the database, whole, while people work", tables=False, more="""
        SQLite only: the copy is verified, nobody else may read it, and nothing is overwritten. Of PostgreSQL
        it prints the command of pg_dump and ends with code 2. Keep the keys somewhere else.
        """)  # fmt: skip
    backup.add_argument("path", metavar="PATH", help="file that is made")
    restored = command("restored", "after a copy of the database was put back: end what must not live again", more="""
        Run it before any program starts. Every session, code, token and message that waits ends, and no device is
        known. With an export of the audit log from before the loss, accounts whose password, factors or contacts
        changed since the copy are frozen until a recovery, and those that were disabled are disabled again.
        """)  # fmt: skip
    restored.add_argument("--lost", type=Path, metavar="FILE", help="JSON lines of `massar audit export`")


def _listens(one: argparse.ArgumentParser, port: int) -> None:
    one.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    one.add_argument("--port", type=int, default=port, help=f"port to listen on (default {port})")


def _people(command: Command) -> None:
    one = command("createperson", "add one person", module="people", run="create", more="""
        The initial password is read from the terminal, must keep the rules, and is not needed when a contact
        is given: the person then starts by recovery. Whoever runs this command vouches for the contacts.
        """)  # fmt: skip
    one.add_argument("login", help=LOGIN)
    both, school = ("FIRST", "FAMILY"), ("CODE", "NAME_AR", "NAME")
    one.add_argument("--name-ar", nargs=2, metavar=both, default=("", ""), help="name in Arabic letters")
    one.add_argument("--name", nargs=2, metavar=both, default=("", ""), help="name in Latin letters")
    one.add_argument("--school", nargs=3, metavar=school, help="establishment: code and name in both scripts")
    one.add_argument("--language", choices=LANGUAGES, default="ar", help="language of messages (default ar)")
    role = "an operator also sees the pages under /desk/"
    one.add_argument("--role", choices=("staff", "pupil", "guardian", "operator"), default="staff", help=role)
    one.add_argument("--email", default="", help="personal e-mail, vouched for")
    one.add_argument("--phone", default="", help="personal mobile phone, vouched for")
    one.add_argument("--payroll", default="", metavar="NUMBER", help="payroll number (PPR), to sign in with as well")
    other = "another institution address of the same person"
    one.add_argument("--other-address", default="", metavar="ADDRESS", help=other)
    one.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    one.add_argument("--no-password", action="store_true", help="no password: the person starts by recovery")
    people = command("people", "disable accounts of people who left, freeze those that others use", more="""
        A disabled account signs in nowhere: its sessions, temporary passwords and half-done changes end, and
        the sites that are open are told by the worker. A frozen one is opened by its person's recovery.
        """)  # fmt: skip
    actions = people.add_subparsers(dest="action", metavar="ACTION", required=True)
    disable = _action(actions, "disable", "shut accounts at once, here and at every site")
    for action in (disable, _action(actions, "enable", "let their people sign in again")):
        action.add_argument("logins", nargs="+", metavar="LOGIN", help=LOGIN)
        action.add_argument("--reason", default="", help="kept in the audit log, at most 200 characters")
    freeze = _action(actions, "freeze", "shut accounts that somebody else uses, until their people recover them")
    unfreeze = _action(actions, "unfreeze", "open frozen accounts of people whom you have recognised")
    drop = _action(actions, "drop-factors", "remove every second factor of people whom you have recognised")
    for action in (freeze, unfreeze, drop):
        action.add_argument("logins", nargs="+", metavar="LOGIN", help=LOGIN)
        action.add_argument("--reason", required=True, help="kept in the audit log, at most 200 characters")
    _action(actions, "show", "say how accounts stand").add_argument("logins", nargs="+", metavar="LOGIN", help=LOGIN)
    one = command("import", "say what a list (CSV, XLSX) would change, and with --write do it", more="""
        A list of people, with --units of establishments and other units, with --guardians of who answers for which
        pupil. The same twice changes nothing; one that
        was stopped goes on where it was. Contacts count as vouched for by whoever made the list; those of accounts in
        use are left alone.
        """, module="import_list")  # fmt: skip
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--write", action="store_true", help="do it; without, nothing is written")
    one.add_argument("--units", action="store_true", help="a list of establishments or other units, not of people")
    one.add_argument("--guardians", action="store_true", help="a list of who answers for which pupil")
    one.add_argument("--kind", choices=("staff", "pupil", "guardian"), help=KIND)
    one.add_argument("--column", action="append", default=[], metavar="TITLE=FIELD", help=COLUMN)
    one.add_argument("--hidden", choices=("take", "leave"), help="what to do with rows that are hidden in the sheet")
    one.add_argument("--sheet", metavar="NAME", help="which sheet of a workbook")
    one.add_argument("--encoding", choices=("utf-8", "windows-1256"), help="of a CSV file")
    one.add_argument("--delimiter", choices=(";", ",", "\t"), help="of a CSV file")
    one.add_argument("--report", type=Path, metavar="FILE.xlsx", help="where refused rows go, with what to correct")
    one.add_argument("--language", choices=LANGUAGES, default="ar", help="language of the report (default ar)")
    _export(command)
    siege = command("siege", "show the siege, or order it on or off, everywhere or at one account", more="""
        In a siege every try of an unknown browser meets a short challenge; known devices notice nothing. By itself
        it begins and ends everywhere with the failures of unknown browsers, and at one account with twenty in a
        row.
        """)  # fmt: skip
    actions = siege.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "show", "what stands now, and the failures that decide it")
    for name, what in (("on", "every unknown browser meets a challenge"), ("off", "none does because of a siege")):
        action = _action(actions, name, what)
        action.add_argument("login", nargs="?", metavar="LOGIN", help=f"one account alone: {LOGIN}")
        action.add_argument("--hours", type=_hours, default=24, help="until when (1 to 720, default 24)")
    auto = _action(actions, "auto", "take back what was ordered")
    auto.add_argument("login", nargs="?", metavar="LOGIN", help=f"one account alone: {LOGIN}")


def _export(command: Command) -> None:
    one = command("export", "write the people of a branch, or its units, into a list that an import reads", more="""
        Each person once, with the first of their units. Contacts are masked; with --contacts they are whole, and
        whoever has the file has them all. The list has a number, which stands in it and in the audit log.
        """, module="export_list")  # fmt: skip
    one.add_argument("unit", metavar="UNIT", help="code of the branch")
    one.add_argument("file", type=Path, metavar="FILE", help="FILE.xlsx or FILE.csv; nothing is overwritten")
    one.add_argument("--units", action="store_true", help="its units, not its people")
    one.add_argument("--as", dest="who", choices=("staff", "pupil", "guardian"), default="", help="these alone")
    one.add_argument("--contacts", action="store_true", help="with whole contacts, to be imported elsewhere")
    one.add_argument("--language", choices=LANGUAGES, default="ar", help="of titles and words (default ar)")
    one.add_argument("--reason", default="", help="needed for people; kept in the audit log, at most 200 characters")


def _season(command: Command) -> None:
    one = command("season", "switch season mode on for a rush that is known beforehand, a night of results", more="""
        Requests wait longer, secrets live longer while many wait, pages say when to come back, campaigns rest. It ends
        by itself. docs/operate/season.md.
        """)  # fmt: skip
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "show", "whether it is on, and how long people wait")
    on = _action(actions, "on", "switch it on")
    on.add_argument("--until", type=_moment, required=True, metavar="TIME", help="as 2027-06-15T23:00, within 7 days")
    _action(actions, "off", "switch it off")


def _units(command: Command) -> None:
    units = command("units", "show the tree of units with their people, or add one", more="""
        Ministry, academies, provincial directorates, establishments, classes; of each branch how many people belong
        to it today.
        """)  # fmt: skip
    actions = units.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = _action(actions, "show", "the tree, as it is today")
    show.add_argument("code", metavar="CODE", nargs="?", help="this unit and those below it (default: all)")
    down = "how far down (default establishment)"
    show.add_argument("--down-to", choices=UNIT_KINDS, default="establishment", help=down)
    add = _action(actions, "add", "add one unit; it may stand below one of a higher kind")
    add.add_argument("kind", choices=UNIT_KINDS)
    add.add_argument("code", metavar="CODE", help="its own; of an establishment the GRESA code")
    add.add_argument("name_ar", metavar="NAME_AR")
    add.add_argument("name", metavar="NAME", help="in Latin letters")
    add.add_argument("--under", default="", metavar="CODE", help="the unit above it")
    office = _action(actions, "office", "say where a unit's help desk is found; what is not given is kept")
    office.add_argument("code", metavar="CODE")
    for name, what in (("phone", "telephone"), ("address-ar", "address in Arabic"), ("address", "in Latin letters"),
                       ("hours-ar", "when it is open, in Arabic"), ("hours", "in Latin letters")):  # fmt: skip
        office.add_argument(f"--{name}", help=what)
    one = command("demo-country", "make a synthetic country of any size: units, staff, pupils, guardians", more="""
        Nobody in it exists: e-mail is of example.org, phones are of 0790 to 0799, which nobody has (to type them on
        pages, name these beginnings in MASSAR_MOBILE_RANGES), pupils' codes begin with X. The same seed makes the same
        country. It needs an empty database, or writes a file.
        """)  # fmt: skip
    one.add_argument("--people", type=_people_count, required=True, metavar="N", help="how many, 1 to 20 million")
    one.add_argument("--seed", type=int, default=1, help="another one, another country (default 1)")
    one.add_argument("--csv", type=Path, metavar="FILE", help="write people here, and units beside it")
    one = command("grant", "let a person help others in a branch", module="units", run="grant", more="""
        The role holds for that unit and all below it, for people who hold no role as high, and ends by itself. What
        each allows stands in docs/operate/units.md. Operators are made by `createperson --role operator` alone.
        """)  # fmt: skip
    _role(one)
    one.add_argument("--until", required=True, type=_a_day, metavar="DAY", help="the last day, within 400 days")
    one.add_argument("--from", dest="since", type=_a_day, metavar="DAY", help="the first day (default today)")
    place = one.add_mutually_exclusive_group()
    place.add_argument("--acting", dest="kind", action="store_const", const="acting", help="as acting head")
    place.add_argument("--deputy", dest="kind", action="store_const", const="deputy", help="as deputy")
    one.set_defaults(kind="own")
    _slips(command)
    one = command("revoke", "take a role back, at once", module="units", run="revoke", more="What was done stays.")
    _role(one)
    slips = "withdraw slips that the person printed there, or let them serve; asked for while there are any"
    one.add_argument("--slips", choices=("void", "keep"), help=slips)


def _campaigns(command: Command) -> None:
    one = command("campaign", "ask many people for another password, a contact, a phone proved again", more="""
        `draft` writes down who is meant; workers count them; `confirm` with that number lets it begin, at its pace.
        `stop` holds it within seconds, `resume` goes on, nobody is dealt with twice. docs/operate/campaigns.md.
        """)  # fmt: skip
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "list", "every campaign, newest first")
    draft = _action(actions, "draft", "write down what is asked of whom; nothing begins yet", """
        change: another password at the next sign-in; contacts: a reminder to whoever has fewer than two proved
        contacts; phones: a reminder to whoever has a phone that was not proved for a year.
        """)  # fmt: skip
    draft.add_argument("kind", choices=CAMPAIGN_KINDS)
    draft.add_argument("name", metavar="NAME", help="what it is called in lists, at most 80 characters")
    draft.add_argument("--at", metavar="CODE", help="the people of that unit and below (default: of the country)")
    draft.add_argument("--as", dest="belongs_as", choices=("staff", "pupil", "guardian"), help="only these people")
    draft.add_argument("--role", choices=ROLES, default="", metavar="ROLE", help="only whoever has that role")
    draft.add_argument("--list", type=Path, metavar="FILE", help="institution addresses, one a line, instead of a unit")
    draft.add_argument("--older-than", type=_password_days, metavar="DAYS", help="change: passwords older than that")
    draft.add_argument("--why", choices=CAMPAIGN_REASONS, default="", help="change: what people are told")
    draft.add_argument("--before", type=_a_day, metavar="DAY", help="reminders: the day they name")
    pace = "people an hour (60 to 36000, default 20000)"
    draft.add_argument("--pace", type=int, default=20_000, metavar="N", help=pace)
    for name, what in (
        ("show", "who is meant, how many, how far, until when; with --follow until it ends or Ctrl-C"),
        ("count", "count anew who is meant"), ("confirm", "let it begin, by the number that was counted"),
        ("stop", "stop it: messages that wait stay"), ("resume", "go on where it was stopped"),
        ("cancel", "end it; who was asked for another password is asked no more"),
    ):  # fmt: skip
        action = _action(actions, name, what)
        action.add_argument("id", type=int, metavar="ID", help="its number, as `massar campaign list` says")
        if name == "confirm":
            action.add_argument("--people", type=int, required=True, metavar="N", help="the number of people")
        if name == "show":
            action.add_argument("--follow", action="store_true", help="go on until it ends")


def _slips(command: Command) -> None:
    slips = command("slips", "print, list and withdraw slips, by which people choose their first password", more="""
        A slip has a code that serves once. Nobody can read it again: a lost one is printed anew, and the older ends.
        """)  # fmt: skip
    actions = slips.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = _action(actions, "print", "write a PDF of slips, four on a page of A4, that serve once it is written")
    make.add_argument("file", type=Path, metavar="FILE.pdf", help="file that is made; nothing is overwritten")
    who = make.add_mutually_exclusive_group(required=True)
    who.add_argument("--unit", metavar="CODE", help="a class or an establishment: whoever has no password yet")
    who.add_argument("--person", metavar="LOGIN", help=LOGIN)
    kind = "of a unit: its pupils, its staff, or guardians (default pupil)"
    make.add_argument("--as", dest="kind", choices=("pupil", "staff", "guardian"), default="pupil", help=kind)
    recovers = "of a person: for an account in use, which is recovered by it and told so"
    make.add_argument("--recovery", action="store_true", help=recovers)
    make.add_argument("--language", choices=LANGUAGES, default="", help="of all slips (default: each person's own)")
    show = _action(actions, "list", "print batches, or the slips of one with how each stands; no code")
    show.add_argument("number", metavar="NUMBER", nargs="?", default="", help="of a batch, as 412")
    void = _action(actions, "void", "withdraw slips that still serve")
    numbers = "of a slip, as 412-07, or of a batch"
    void.add_argument("numbers", nargs="*", metavar="NUMBER", help=numbers)
    void.add_argument("--by", default="", metavar="LOGIN", help="all that this agent printed")
    for action in (make, void):
        action.add_argument("--reason", required=True, help="kept in the audit log, at most 200 characters")


def _role(one: argparse.ArgumentParser) -> None:
    one.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    one.add_argument("login", metavar="LOGIN", help=LOGIN)
    one.add_argument("--at", required=True, metavar="CODE", help="the unit")
    one.add_argument("--reason", required=True, help="kept in the audit log, at most 200 characters")


def _a_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a day, as 2027-08-31") from None


def _audit(command: Command) -> None:
    audit = command("audit", "read, verify and export the audit log", more="""
        It holds no secret and no whole contact. What an auditor does stands in docs/operate/audit.md.
        """)  # fmt: skip
    actions = audit.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = _action(actions, "show", "print a person's own events, newest first")
    show.add_argument("person", metavar="LOGIN", help=LOGIN)
    show.add_argument("--limit", type=int, default=50, help="how many rows (default 50)")
    verify = _action(actions, "verify", "name the first row that was changed, removed, added or forged", """
        Holds every row against the chain, the signed checkpoints and its own signature. Ends with code 1 if
        anything does not fit, with 2 if something can't be read. src/massar/core/audit/verifier.py does the
        same on another machine, without the installation's secrets.
        """)  # fmt: skip
    where = "file or folder of checkpoints (default: those written here); may be given again"
    verify.add_argument("--checkpoints", action="append", type=Path, metavar="PATH", help=where)
    old = "of a key that signed before, as `massar audit key` printed it; may be given again"
    verify.add_argument("--public-key", action="append", default=[], metavar="KEY", help=old)
    export = _action(actions, "export", "write sealed rows as JSON lines, or as syslog (RFC 5424)", """
        To standard output. The last line that was written tells where to go on: --after its seq.
        """)  # fmt: skip
    export.add_argument("--after", type=int, metavar="SEQ", help="the rows behind this one")
    export.add_argument(
        "--since", type=_moment, metavar="TIME", help="sealed since then, as 2026-11-30 or with an hour"
    )
    export.add_argument("--until", type=_moment, metavar="TIME", help="of events before that time")
    export.add_argument("--format", choices=("jsonl", "syslog"), default="jsonl", help="(default jsonl)")
    _action(actions, "key", "print the public key by which checkpoints are verified")


def _moment(text: str) -> datetime:
    """A day or a moment; one without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a day or a time, as 2026-11-30 or 2026-11-30T18:00+01:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _whole(text: str, *, unit: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"give a whole number of {unit} from 1 to {most}")
    return int(text)


_people_count = partial(_whole, unit="people", most=20_000_000)
_password_days = partial(_whole, unit="days", most=3650)
_hours = partial(_whole, unit="hours", most=720)
_days = partial(_whole, unit="days", most=90)  # published before it signs: long enough for caches, and still meant


def _messages(command: Command) -> None:
    one = command("messages", "show the queue, the providers, the last errors and the alarms", more="""
        Of the last hour; no address or number is shown. With --follow again every two seconds until Ctrl-C.
        """)  # fmt: skip
    one.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    one.add_argument("--day", action="store_true", help="of the last 24 hours")
    one.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    test = command("send-test", "send a real message through one provider and print each step", more="""
        It goes past queue, breakers and budgets, and costs what a message costs. Ends with code 1 where it
        stops.
        """)  # fmt: skip
    test.add_argument("provider", help="its name; `massar messages` lists them")
    test.add_argument("to", help="an address, or a mobile number as people type it")
    test.add_argument("--language", choices=LANGUAGES, help="of the words (default fr, of a long text ar)")
    long = "an SMS of several segments, whose number is compared with what the provider says"
    test.add_argument("--long", action="store_true", help=long)
    wait = "for the receipt (default 60; 0: do not wait)"
    test.add_argument("--wait", type=int, default=60, metavar="SECONDS", help=wait)


def _sites(command: Command) -> None:
    one = command("sites", "list, judge and try the registered sites", tables=False, more="""
        The six of the guide and those of the file MASSAR_CONFIG. `show` prints what to paste at the other
        side, `test` asks the site over the network.
        """)  # fmt: skip
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "list", "every site, its protocol, whether it is connected")
    ends = "ends with code 1 if there is anything to put right, with 0 for notes"
    _action(actions, "check", f"judge certificates, addresses, sign-outs; {ends}")
    secret = _action(actions, "secret", "print a new client secret and its hash for the file")
    own = "the hash of a secret that is there already, read from the input"
    secret.add_argument("--own", action="store_true", help=own)
    show = _action(actions, "show", "the settings for whoever runs that site")
    test = _action(actions, "test", "ask the site over the network, as a stranger and as the account")
    what = "print what the site calls each person (NameID, sub), for sites that must know it beforehand"
    subjects = _action(actions, "subjects", what)
    for action in (show, test, subjects):
        action.add_argument("slug", metavar="SLUG")
    subjects.add_argument("file", metavar="FILE", help="institution addresses, one a line")
    what = "print a SAML site's metadata as the table to paste into the file"
    metadata = _action(actions, "import-metadata", what)
    metadata.add_argument("file", metavar="FILE", help="the site's metadata, XML")
    metadata.add_argument("slug", metavar="SLUG", nargs="?", default="", help="its name in the registry")
    keys = command("keys", "list and change data keys, and the keys that sign for sites", keys=False, more="""
        Data keys: give every node the entry that `new` prints, restart them in any order, then `activate`,
        `reseal` and `retire`; docs/operate/keys.md tells it step by step. Keys that sign for sites: a new one is
        published before it signs, so no site notices: a day for tokens, two weeks for the SAML certificate, of
        which many sites hold a copy. Run `rotate` every 90 days, `rotate --use saml` every two years. --at-once
        is for a stolen key: it signs no longer, and sites that keep old key sets may refuse sign-ins for up to
        an hour.
        """)  # fmt: skip
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "list", "every key, what it is for, since when, and what needs it")
    _action(actions, "new", "print an entry for MASSAR_DATA_KEYS under a name that no key ever had")
    activate = _action(actions, "activate", "write with that data key from now on, once every program holds it")
    _action(actions, "reseal", "encrypt anew what stands under old data keys, while people work")
    retire = _action(actions, "retire", "end an old data key that nothing needs any more")
    for action in (activate, retire):
        action.add_argument("name", metavar="NAME", help="of the key, as `massar keys list` says")
    stolen = "end what is alive of it too: sessions, codes and temporary passwords"
    retire.add_argument("--stolen", action="store_true", help=stolen)
    rotate = _action(actions, "rotate", "make the next keys")
    start = rotate.add_mutually_exclusive_group()
    start.add_argument("--at-once", action="store_true", help="sign with them now and remove the others")
    lead = "published so long before they sign (default 1; SAML 14)"
    start.add_argument("--days", type=_days, metavar="DAYS", help=lead)
    use = "which keys: tokens or SAML (default oidc)"
    rotate.add_argument("--use", choices=("oidc", "saml"), default="oidc", help=use)
