"""The settings of a mail provider: a table of the operator's file, or a URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qsl, unquote

from pydantic import Field

from massar.core.settings import Line, Required, Verbatim, typed
from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.connect import tls_context
from massar.providers.http_client import HttpClient
from massar.providers.oauth_token import TokenSource
from massar.providers.settings import Elsewhere, ProviderTable, Seconds, TokenAuth, read_provider
from massar.providers.smtp.connection import DEFAULT_PORT, PLAIN, STARTTLS, TLS, SmtpServer
from massar.providers.smtp.provider import SmtpProvider

SECURITY = {"smtp": PLAIN, "smtp+starttls": STARTTLS, "smtps": TLS}
IN_URL = ("ca_file", "hello", "bounces", "connections", "connect_timeout", "answer_timeout", "total_timeout")


@dataclass(frozen=True)
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


NO_AUTH = MailAuth()


@dataclass(frozen=True)
class SmtpSettings(ProviderTable):
    """One mail server."""

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
    password: Elsewhere = ""
    """`env:NAME` or `file:PATH`; none stands in the file"""
    auth: MailAuth = MailAuth()
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
    total_timeout: Seconds = 30.0
    """seconds, for one letter"""

    def judge(self) -> Iterator[tuple[str, str]]:
        by_token = self.auth.kind != "none"
        if by_token and (not self.user or self.password or not self.user.isascii()):
            yield "user password auth", "auth needs a user in plain letters, and no password"
        if not by_token and bool(self.user) != bool(self.password):
            yield "user password auth", "user needs a password, and a password a user: give both or neither"

    def options(self, name: str) -> ProviderOptions:
        same = ("sender", "sender_name", "hello", "connections", "bounces", "receipts", "ca_file")
        times = ("connect_timeout", "answer_timeout", "total_timeout")
        return ProviderOptions(name=name, **{key: getattr(self, key) for key in (*same, *times)})


def from_table(table: Mapping[str, object], *, name: str, environ: Mapping[str, str] | None = None) -> SmtpProvider:
    """Make the provider of one table. Nothing is connected yet. Raises ProviderSettingError."""
    called = f"[providers.{name}]"
    settings = read_provider(SmtpSettings, table, called=called, environ=environ)
    return _provider(settings, settings.options(name), called)


def from_url(parts: SplitResult, options: ProviderOptions) -> SmtpProvider:
    """Make the provider of `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port?setting=value`."""
    called = "A mail server's URL:"
    if parts.path not in ("", "/") or parts.fragment:
        raise ProviderSettingError(f"{called} it ends after host and port (and ?settings).")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in asked.keys() - set(IN_URL):
        raise ProviderSettingError(f"{called} it has no setting {name!r}, it knows {', '.join(IN_URL)}.")
    own: dict[str, object] = {
        "host": parts.hostname,
        "security": SECURITY[parts.scheme],
        "user": unquote(parts.username or ""),
    }
    own |= {"port": parts.port} if parts.port else {}
    table = {**own, "password": Verbatim(unquote(parts.password or "")), "sender": options.sender}
    settings = read_provider(SmtpSettings, {**typed(SmtpSettings, asked), **table}, called=called)
    return _provider(settings, replace(options, **{name: getattr(settings, name) for name in asked}), called)


def _provider(settings: SmtpSettings, options: ProviderOptions, called: str) -> SmtpProvider:
    security, tokens = settings.security, None
    try:
        if settings.auth.kind == "oauth2":
            at = settings.auth.token_endpoint()
            tokens = TokenSource(at, HttpClient(options, tls_context(options.ca_file) if at.origin.secure else None))
        port = settings.port or DEFAULT_PORT[security]
        return SmtpProvider(
            SmtpServer(settings.host, port, security, settings.user, settings.password, tokens), options
        )
    except ProviderSettingError as mistake:
        raise ProviderSettingError(f"{called} {mistake}") from None
