"""Real SMTP servers for the contract: aiosmtpd in its own thread, and a script that speaks line by line."""

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = "massar@relay", "p@ss:w/rd"
HELLO = [b"220 mail.test ESMTP\r\n", "read", b"250-mail.test\r\n250 8BITMIME\r\n"]
TO_DATA = ["read", b"250 OK\r\n", "read", b"250 OK\r\n", "read"]
CONTENT = [*TO_DATA, b"354 go on\r\n"]
WHOLE = [*CONTENT, "body", b"250 2.0.0 kept\r\n"]
MORE_THAN_FITS_ON_THE_WAY = ("ن" * 60 + "\n") * 40_000  # into the buffers of both sockets


class MailServer:
    """`stages` maps AUTH, MAIL, RCPT or DATA to the answer; `after_data`: `cut`, `silent` or a delay.

    `conversations` counts the connections so far, `at_once` the most letters that were under way together.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, auth=False):
        self.letters: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.stages: dict[str, str] = {}
        self.recipients: dict[str, str] = {}  # what is said of single ones at RCPT
        self.after_data: str | float = ""
        self.port = self.conversations = self.at_once = self._under_way = 0
        self.hidden: list[str] = []  # sign-in methods that are not offered
        self._tls, self._starttls, self._auth = tls, starttls, auth
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> "MailServer":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    async def _listen(self) -> None:
        listening = await self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self._tls)
        self.port = listening.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        self.conversations += 1
        return SMTP(
            self, hostname="mail.test", loop=self._loop, tls_context=self._starttls,
            require_starttls=bool(self._starttls), auth_required=self._auth, auth_require_tls=False,
            authenticator=self._judge if self._auth else None, auth_exclude_mechanism=self.hidden,
        )  # fmt: skip

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _judge(self, server, session, envelope, mechanism, data) -> AuthResult:
        answer = self.stages.get("AUTH")
        if answer:
            return AuthResult(success=False, handled=False, message=answer)
        known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.stages:
            return self.stages["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.stages or address in self.recipients:
            return self.recipients.get(address) or self.stages["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.stages:
            return self.stages["DATA"]
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        self.letters.append(message_from_bytes(envelope.content, policy=default))
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        if self.after_data == "cut":
            server.transport.abort()
        elif self.after_data == "silent":
            await asyncio.sleep(5)
        elif self.after_data:
            await asyncio.sleep(self.after_data)
        self._under_way -= 1
        return "250 2.0.0 OK: queued as 4XyZ"


class TokenServer(MailServer):
    """Offers `ways` alone, and takes the tokens in `good`. `shown`: what was said at each sign-in, and where: in the
    line of AUTH or after it. `refused`: what was said to the refusal."""

    WAYS = ("XOAUTH2", "OAUTHBEARER")

    def __init__(self, *ways: str, **settings):
        super().__init__(auth=True, **settings)
        self.hidden = ["LOGIN", "PLAIN", *(way for way in self.WAYS if way not in ways)]
        self.good: set[str] = {"token~1"}
        self.shown: list[tuple[bytes, bool]] = []
        self.refused: list[bytes] = []

    async def auth_XOAUTH2(self, server, args) -> AuthResult:
        first = base64.b64decode(args[1]) if len(args) > 1 else await server.challenge_auth("")
        self.shown.append((first, len(args) > 1))
        if answer := self.stages.get("AUTH"):
            return AuthResult(success=False, handled=False, message=answer)
        token = first.partition(b"auth=Bearer ")[2].rstrip(b"\x01").decode()
        if token in self.good:
            return AuthResult(success=True)
        self.refused.append(await server.challenge_auth('{"status":"400","schemes":"Bearer","scope":"mail"}'))
        return AuthResult(success=False, handled=False)

    auth_OAUTHBEARER = auth_XOAUTH2


def stop_listening(listening: socket.socket, thread: threading.Thread) -> None:
    """End the thread that waits in `accept`, then close. Closing first wakes nobody, and frees a number under which the
    thread may take the next server's callers."""
    with contextlib.suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    listening.close()


class Script:
    """A server that plays `lines`: bytes are sent, `read` waits for a line, `body` for the final dot, `drip`
    sends a byte every 50 ms for ever, `cut` closes hard, `next` goes on with another connection. What it read is in
    `heard`; `conversations` counts the connections."""

    def __init__(self, *lines: bytes | str):
        self._lines = lines
        self.heard: list[bytes] = []
        self.conversations = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _play(self) -> None:
        steps = list(self._lines)
        while steps:
            end = steps.index("next") if "next" in steps else len(steps)
            scene, steps = steps[:end], steps[end + 1 :]
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            self.conversations += 1
            self._play_scene(scene, line, last=not steps)

    def _play_scene(self, scene: list[bytes | str], line: socket.socket, *, last: bool) -> None:
        with line, line.makefile("rb") as words:
            try:
                for step in scene:
                    self._step(step, line, words)
            except OSError:
                return
            if last and scene[-1] != "cut":
                self._ended.wait(5)

    def _step(self, step: bytes | str, line: socket.socket, words) -> None:
        if isinstance(step, bytes):
            line.sendall(step)
        elif step == "read":
            self.heard.append(words.readline())
        elif step == "body":
            while (heard := words.readline()) not in (b".\r\n", b""):
                self.heard.append(heard)
        elif step == "drip":
            while not self._ended.wait(0.05):
                line.sendall(b"2")
        elif step == "cut":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    def stop(self) -> None:
        self._ended.set()
        stop_listening(self._listening, self._thread)
