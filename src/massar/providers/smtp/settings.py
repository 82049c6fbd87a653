"""The settings of a mail provider: a table of the operator's file, or a URL."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qsl, unquote

from pydantic import Field

from massar.core.loopback import is_loopback
from massar.core.settings import Line, Required, Verbatim, typed
from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.oauth_token import TokenAuth
from massar.providers.settings import Elsewhere, OneByOneTable, from_options, read_provider
from massar.providers.smtp.mime import is_address

PLAIN, STARTTLS, TLS = "plain", "starttls", "tls"
SECURITY = {"smtp": PLAIN, "smtp+starttls": STARTTLS, "smtps": TLS}
_PORTS = {PLAIN: 25, STARTTLS: 587, TLS: 465}
IN_URL = ("ca_file", "hello", "bounces", "connections", "connect_timeout", "answer_timeout", "total_timeout")


@dataclass(frozen=True, repr=False)
class MailAuth(TokenAuth):
    """Where tokens come from that are shown instead of a password. Secrets stand elsewhere."""

    kind: Literal["none", "oauth2"] = "none"
    """`oauth2`: tokens are shown instead of a password"""
    client_secret: Elsewhere = ""
    """`env:NAME` or `file:PATH`. This or the next is required"""
    refresh_token: Elsewhere = ""
    """the same: shown for tokens (RFC 6749 §6). Without it the client's own right counts (§4.4)"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if self.kind == "none":
            yield "kind", "auth.kind must be oauth2: nothing else is shown instead of a password"
        else:
            yield from super().judge()


@dataclass(frozen=True)
class SmtpSettings(OneByOneTable):
    kind: Literal["smtp"] = "smtp"
    """mail"""
    host: Annotated[Line, Required("name the mail server")] = ""
    """the mail server"""
    port: Annotated[int, Field(ge=1, le=65535)] = 0
    """without it 25, 587 or 465, by `security`"""
    security: Literal["plain", "starttls", "tls"] = "starttls"
    """a password or token travels over TLS only"""
    user: Line = ""
    """with a password or `auth`; with the latter it is the mailbox"""
    password: Elsewhere = field(default="", repr=False)
    """`env:NAME` or `file:PATH`; none stands in the file"""
    auth: MailAuth = field(default=MailAuth(), repr=False)
    """a table, instead of a password: where OAuth 2.0 tokens come from"""
    sender: Annotated[Line, Required("give the address that mail comes from")] = ""
    """bare address that mail comes from"""
    sender_name: Line = "Massar"
    """the name shown with it"""
    hello: Line = ""
    """the name given to the server; without it this machine's"""
    connections: Annotated[int, Field(ge=1, le=50)] = 4
    """how many are kept and used at once. Give the worker as many `--senders`"""
    bounces: Line = ""
    """domain for [what comes back](mail.md#the-way-back)"""
    receipts: bool = False
    """also ask to be told of success; needs `bounces`. Of use where the mailboxes are yours: most other servers make no
    such reports"""

    def judge(self) -> Iterator[tuple[str, str]]:
        by_token = self.auth.kind != "none"
        if by_token and (not self.user or self.password or not self.user.isascii()):
            yield "user password auth", "auth needs a user in plain letters, and no password"
        if not by_token and bool(self.user) != bool(self.password):
            yield "user password auth", "user needs a password, and a password a user: give both or neither"
        if self.user and self.security == PLAIN and not is_loopback(self.host):
            wish = "use starttls or tls (smtp+starttls:// or smtps://)"
            yield "user security host", f"security is plain, but a password or token may only be sent over TLS: {wish}"
        if not is_address(self.sender):
            yield "sender", "sender must be a bare address, as no-reply@example.ma"
        if self.bounces and not is_address(f"b@{self.bounces}"):
            yield "bounces", "bounces must be a bare domain, as bounce.example.ma"
        if self.receipts and not self.bounces:
            yield "receipts bounces", "receipts need a domain for bounces, where they arrive"

    @property
    def place(self) -> tuple[str, int]:
        return self.host, self.port or _PORTS[self.security]

    @property
    def own_name(self) -> str:
        name = self.hello or socket.gethostname()
        return name if self.hello or ("." in name and name.isascii()) else "[127.0.0.1]"


def read_url(parts: SplitResult, options: ProviderOptions) -> SmtpSettings:
    """Read `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port?setting=value`."""
    called = "A mail server's URL:"
    if parts.path not in ("", "/") or parts.fragment:
        raise ProviderSettingError(f"{called} it ends after host and port (and ?settings).")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in asked.keys() - set(IN_URL):
        raise ProviderSettingError(f"{called} it has no setting {name!r}, it knows {', '.join(IN_URL)}.")
    table = {**from_options(options), **typed(SmtpSettings, asked), "host": parts.hostname, "sender": options.sender}
    table |= {"security": SECURITY[parts.scheme], "user": unquote(parts.username or "")}
    table |= {"password": Verbatim(unquote(parts.password or ""))} | ({"port": parts.port} if parts.port else {})
    return read_provider(SmtpSettings, table, called=called)
