"""The web server's port, its command line and its static files. Knows no tables: the demo needs it before the settings
are read."""

import errno
import socket
import sys

from django.conf import settings
from django.core.management import call_command

from massar.core import argon2id, private_files

BACKLOG = 1024


class PortTaken(Exception):
    """Nobody can listen there; the message is a sentence for the operator."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, for this process and its children alone. Raises PortTaken."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as problem:
        raise PortTaken(_sentence(host, port, problem)) from problem
    except OverflowError as problem:
        raise PortTaken(f"There is no port {port}: give --port a number from 0 to 65535.") from problem
    listening.setblocking(False)
    listening.set_inheritable(True)
    return listening


def _sentence(host: str, port: int, problem: OSError) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if problem.errno == errno.EADDRINUSE:
        return f"Port {port} is taken: another program listens on {place}. Stop it, or choose another port with --port."
    if problem.errno == errno.EACCES:
        return f"The system lets only root listen on {place}: choose a port above 1023 with --port."
    return f"Nobody can listen on {place}: {problem.strerror or problem}. Give --host an address of this machine."


def command(listening: socket.socket, processes: int, *, argon2: str = argon2id.USUAL) -> list[str]:
    """argon2: the library that hashes passwords in its processes."""
    program = [sys.executable, "-m", "massar.interfaces.commands.web_process"]
    return [*program, "--socket", str(listening.fileno()), "--processes", str(processes), "--argon2", argon2]


def prepare_static() -> None:
    """Styles, scripts and fonts under names that hold their content's hash, compressed once."""
    private_files.make_folder(settings.MASSAR.var)
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
