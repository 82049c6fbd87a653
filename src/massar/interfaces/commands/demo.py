"""Runs the whole product on this machine: web server, worker, a phone and a mailbox on screen, six sample sites."""

import argparse
import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from massar.core import private_files, processes
from massar.interfaces.commands import web_server

CHECKOUT = Path(web_server.__file__).resolve().parents[4]  # where examples/ stands, beside src/
SAMPLES = 6
GREETING = """
  Massar Account is running:   http://localhost:{port}/
  Phone and mailbox on screen: http://localhost:{port}/demo/

  Demo people (user name  password):
{people}

  What to try, in this order:
    1. Sign in as jamal.jalal@taalim.ma, open the profile and save a personal e-mail and phone; the codes arrive
       on the phone and in the mailbox on screen. Both count as soon as their codes are typed.
    2. Open the six sites from home: each is a sample site on this machine, already signed in.
       Choose «تسجيل الخروج من كل مكان» under the cards, and watch them close.
    3. Press «استرجاع كلمة المرور», ask for a temporary password, read it on screen.
    4. Sign in with it, change the password, and you are home. Four sites open at once; Haraka and Retraite
       say from when they do: 72 hours after a recovery, so that a thief could file nothing in your name.
    5. Sign in as salma.bennani@men.gov.ma and choose «حركة الرسائل» in the menu: what was sent, by whom, how fast.
    6. Ask for a new password of a child: x130000417 and his mother's phone, 0663000444. Read it on the phone on screen,
       sign in as x130000417 with it, and press one of the passwords that the page offers.
    7. Sign in as his mother, w130000452: «أطفالي» in the menu shows her three, and starts or stops a new password.
    8. Sign in as najat.amrani@men.gov.ma, and choose «مكتب المساعدة» in the menu: she sets up a second step first (an
       app that shows codes), then finds people of her directorate and helps them. hassan.ouazzani@taalim.ma does so in
       his school, nadia.chraibi@taalim.ma in her class. Beside the cast there are some 900 invented people.
    9. Without phone or e-mail: below the recovery form, «الاسترجاع بشباك المديرية» shows fatima.zahra.alaoui a number.
       Hassan types it at the desk, Najat confirms it, and her browser goes on. All three sit at one machine here, and
       their browsers must differ: the number in another kind than the agents' (Firefox beside Chrome, for example), and
       Najat in a private window.

  Ctrl-C stops everything. PORT=8001 make demo chooses another port.
"""


def prepare(options: argparse.Namespace) -> int | None:
    """The demo brings its own settings: this machine only, its own keys, its own providers."""
    folder = _folder()
    if options.reset:
        return _empty(folder)
    for name in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, signal.default_int_handler)
    try:
        options.listening = web_server.listen("127.0.0.1", options.port)
    except web_server.PortTaken as sentence:
        print(f"{sentence} With make: `make demo PORT={options.port + 1}`.", file=sys.stderr)
        return 2
    private_files.make_folder(folder)
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)  # until this process ends: nobody empties it meanwhile
    options.smtp_port, options.sms_port = ports_from(options.port + 1 + SAMPLES, 2)
    os.environ |= {
        "MASSAR_MODE": "demo", "MASSAR_PUBLIC_URL": f"http://localhost:{options.port}", "MASSAR_VAR": str(folder),
        "MASSAR_EMAIL_URL": f"smtp://127.0.0.1:{options.smtp_port}",
        "MASSAR_SMS_URL": f"http://127.0.0.1:{options.sms_port}/sms",
        "DJANGO_SETTINGS_MODULE": "massar.config.django_settings",
    }  # fmt: skip
    options.samples = (CHECKOUT / "examples" / "register.py").is_file()  # elsewhere the cards of the sites explain
    if options.samples:
        account, ports = os.environ["MASSAR_PUBLIC_URL"], [str(p) for p in ports_from(options.port + 1, SAMPLES)]
        command = [sys.executable, "-m", "examples", "register", str(folder), account, *ports]
        subprocess.run(command, check=True, env=sample_environment())
        os.environ["MASSAR_CONFIG"] = str(folder / "sites.toml")
    return None


def _empty(folder: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("The demo is running: stop it first, with Ctrl-C where it was started.", file=sys.stderr)
            return 2
        shutil.rmtree(folder)
        os.close(held)
    print(f"The demo's data under {os.path.relpath(folder)} are gone.")
    return 0


def ports_from(first: int, count: int) -> list[int]:
    """So many ports from that one on, or any that are free; held together meanwhile, so that no two are the same."""
    with contextlib.ExitStack() as stack:
        for ports in (range(first, first + count), [0] * count):
            with contextlib.suppress(OSError, OverflowError):
                probes = [stack.enter_context(socket.create_server(("127.0.0.1", port))) for port in ports]
                return [probe.getsockname()[1] for probe in probes]
    raise OSError("this machine has no free ports")


def sample_environment() -> dict[str, str]:
    """The sites are other programs: they see where the examples are, and no setting of the product's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MASSAR_", "DJANGO_"))}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "MASSAR_VAR": str(_folder())}


def run(options: argparse.Namespace) -> int:
    call_command("migrate", interactive=False, verbosity=0)
    private_files.restrict_to_owner(private_files.readable_by_others(Path(str(settings.DATABASES["default"]["NAME"]))))
    web_server.prepare_static()
    people = import_module("massar.interfaces.demo.cast").seed()  # by name: models wait for the settings
    connection.close()
    ports = ["--smtp-port", str(options.smtp_port), "--sms-port", str(options.sms_port)]
    store = ["--store", str(settings.MASSAR.demo_store)]
    parts: list[tuple[list[str], dict[str, str] | None, tuple[int, ...]]] = [  # command, environment, what it inherits
        ([sys.executable, "-m", "massar.interfaces.demo.receiver", *ports, *store], None, ()),
        ([sys.executable, "-m", "massar", "worker", "--quiet"], None, ()),
        (web_server.command(options.listening, 1), None, (options.listening.fileno(),)),
    ]
    if options.samples:
        parts.append(([sys.executable, "-m", "examples", "run", str(_folder())], sample_environment(), ()))
    # Out of reach of the terminal's Ctrl-C: this command stops them in order. They end with it (Linux), killed or not.
    end_too = partial(processes.end_with_parent, os.getpid())
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command, environment, fds in parts:
            child = subprocess.Popen(command, start_new_session=True, preexec_fn=end_too, pass_fds=fds, env=environment)
            started.append(child)  # each is stopped, should the next not start
        options.listening.close()  # it is the web server's now
        if not _answers(options.port, started):
            return 1
        print(GREETING.format(port=options.port, people="\n".join(people)), flush=True)
        while all(process.poll() is None for process in started):
            time.sleep(0.3)
        ended = next(process for process in started if process.poll() is not None)
        print(f"A part of the demo ended by itself (exit code {ended.returncode}): {ended.args!r}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(started)


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(started):
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
    print("Stopped. Your data stay; `make demo-reset` empties them.")


def _answers(port: int, started: list[subprocess.Popen[bytes]]) -> bool:
    for _ in range(100):
        if any(p.poll() is not None for p in started):
            print("A part of the demo did not start; its words stand above.", file=sys.stderr)
            return False
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(line), contextlib.suppress(OSError):
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return True
        time.sleep(0.1)
    print("The web server did not answer.", file=sys.stderr)
    return False


def _folder() -> Path:
    return Path(os.environ.get("MASSAR_VAR") or "var/demo").absolute()
