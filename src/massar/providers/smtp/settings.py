"""A mail provider from a table of the operator's file, judged with one sentence for each mistake."""

import os
from collections.abc import Mapping
from pathlib import Path

from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.connect import tls_context
from massar.providers.http_client import HttpClient
from massar.providers.oauth_token import TokenSource
from massar.providers.sms_http.settings import token_endpoint
from massar.providers.smtp.connection import DEFAULT_PORT, STARTTLS, SmtpServer
from massar.providers.smtp.provider import SmtpProvider

_KINDS = {str: "a text", int: "a whole number", float: "a number of seconds", bool: "true or false", Path: "a path"}
_SERVER = {"host": str, "port": int, "security": str, "user": str, "password": str}
_OPTIONS = {
    "sender": str,
    "sender_name": str,
    "hello": str,
    "connections": int,
    "bounces": str,
    "receipts": bool,
    "ca_file": Path,
    "connect_timeout": float,
    "answer_timeout": float,
    "total_timeout": float,
}


def from_table(table: Mapping, *, name: str) -> SmtpProvider:
    """A provider called `name`. Nothing is connected yet. Secrets are `env:NAME` or `file:PATH`. `auth`: a table, where
    tokens come from that are shown instead of a password.

    Raises ProviderSettingError with one sentence, which never holds a secret.
    """
    values = {key: _typed(name, key, value) for key, value in table.items() if key != "auth"}
    for needed in ("host", "sender"):
        if not values.get(needed):
            raise ProviderSettingError(f"[{name}] needs {needed}.")
    security = values.get("security", STARTTLS)
    if security not in DEFAULT_PORT:
        raise ProviderSettingError(f"[{name}] security is {security!r}: choose one of {', '.join(DEFAULT_PORT)}.")
    port = values.get("port", DEFAULT_PORT[security])
    if not 0 < port < 65536:
        raise ProviderSettingError(f"[{name}] port must be from 1 to 65535.")
    user, password = values.get("user", ""), _secret(name, "password", values.get("password", ""))
    by_token = "auth" in table
    if by_token and (not user or password or not user.isascii()):
        raise ProviderSettingError(f"[{name}] with auth needs a user in plain letters, and no password.")
    if not by_token and bool(user) != bool(password):
        raise ProviderSettingError(f"[{name}] needs both user and password, or neither.")
    try:
        options = ProviderOptions(name=name, **{key: values[key] for key in _OPTIONS if key in values})
        tokens = _tokens(name, table["auth"], options) if by_token else None
        return SmtpProvider(SmtpServer(values["host"], port, security, user, password, tokens), options)
    except ProviderSettingError as mistake:
        raise ProviderSettingError(f"[{name}] {mistake}") from mistake


def _tokens(name: str, table: object, options: ProviderOptions) -> TokenSource:
    if not isinstance(table, Mapping):
        raise ProviderSettingError("auth must be a table.")
    for key in ("client_secret", "refresh_token"):
        if not str(table.get(key, "env:")).startswith(("env:", "file:")):
            raise ProviderSettingError(f"auth.{key} must be env:NAME or file:PATH: no secret stands in the file.")
    at = token_endpoint(table, name=name)
    return TokenSource(at, HttpClient(options, tls_context(options.ca_file) if at.origin.secure else None))


def _typed(name: str, key: str, value):
    wanted = {**_SERVER, **_OPTIONS}.get(key)
    if wanted is None:
        known = ", ".join([*_SERVER, "auth", *_OPTIONS])
        raise ProviderSettingError(f"[{name}] has no setting {key!r}: it knows {known}.")
    accepted = {float: (int, float), Path: (str,)}.get(wanted, (wanted,))
    if type(value) not in accepted or (wanted is str and not value.isprintable()):
        raise ProviderSettingError(f"[{name}] {key} must be {_KINDS[wanted]}.")
    return wanted(value)


def _secret(name: str, key: str, told: str) -> str:
    """What `env:NAME` or `file:PATH` leads to; the file's last line end is not part of it."""
    where, _, place = told.partition(":")
    if not told:
        return ""
    if where == "env" and os.environ.get(place):
        return os.environ[place]
    if where == "env":
        raise ProviderSettingError(f"[{name}] {key} names the variable {place}, which is not set.")
    if where != "file":
        raise ProviderSettingError(f"[{name}] {key} must be env:NAME or file:PATH: no secret stands in the file.")
    try:
        secret = Path(place).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ProviderSettingError(f"[{name}] {key} names the file {place}, which can't be read.") from problem
    if not secret:
        raise ProviderSettingError(f"[{name}] {key} names the file {place}, which is empty.")
    return secret
