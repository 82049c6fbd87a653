"""What the tables of all providers share: how they are read, times, addresses, and how we prove who we are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, PlainValidator

from massar.core.loopback import is_loopback
from massar.core.settings import Line, Table, Verbatim, Wanted, read
from massar.domain.delivery.provider import ProviderSettingError
from massar.providers.http_client import Origin, split_address
from massar.providers.oauth_token import TokenEndpoint


def split(url: str) -> SplitResult:
    """Read the address of a gateway or a token server. Raises ValueError with the rest of a sentence."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("has a host or port that is wrong") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("holds signs that must be percent-encoded")
    if parts.scheme not in ("https", "http") or not parts.hostname or "{" in parts.netloc or port == 0:
        raise ValueError("must begin with https:// and name a host")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("holds a user or a #: keys go into auth or headers")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("names another machine, which must be reached by https://")
    return parts


def _address(url: object) -> tuple[Origin, str]:
    if not isinstance(url, str):
        raise ValueError("must be an address, in quotes")
    return split_address(split(url))


def _elsewhere(value: object) -> object:
    if value and not isinstance(value, Verbatim):
        raise ValueError("must be env:NAME or file:PATH: no secret stands in the file")
    return value


def _path(text: object) -> Path | None:
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError("must be a path, in quotes")
    return Path(text) if text else None


Seconds = Annotated[float, Field(ge=0.01, le=600), Wanted("a number of seconds, more than 0 and at most 600")]
Elsewhere = Annotated[str, BeforeValidator(_elsewhere)]
CaFile = Annotated[Path | None, PlainValidator(_path), Wanted("a path")]


@dataclass(frozen=True)
class ProviderTable(Table):
    """What every table `[providers.NAME]` may hold."""

    kind: Literal["http", "smpp", "smtp"] = "http"
    """which of the three tables this is"""
    price: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """of a segment, or a letter, in thousandths of your currency: for the figures alone"""
    ca_file: CaFile = None
    """PEM file with the authorities that may have signed the certificate; without it the system's"""
    connect_timeout: Seconds = 5.0
    """seconds, for each of two addresses"""
    answer_timeout: Seconds = 15.0
    """seconds, for one answer"""


@dataclass(frozen=True)
class TokenAuth(Table):
    """Where OAuth 2.0 tokens come from, and as whom we ask."""

    token_url: Annotated[tuple[Origin, str] | None, PlainValidator(_address), Wanted("an address")] = None
    """where tokens are fetched; https, or http on this machine"""
    client_id: Line = ""
    """who we are there"""
    client_secret: str = ""
    """its secret. This or `refresh_token` is required"""
    refresh_token: str = ""
    """it is shown for tokens (RFC 6749 §6). Without it the client's own right counts (client credentials, §4.4)"""
    scope: Line = ""
    """what is asked for"""
    client_in: Literal["header", "body"] = "header"
    """`body` puts id and secret into the form; an id without a secret always stands there"""

    def judge(self) -> Iterator[tuple[str, str]]:
        for name in ("token_url", "client_id"):
            if not getattr(self, name):
                yield name, f"auth.{name} is missing: tokens can't be fetched without it"
        if not self.client_secret and not self.refresh_token:
            yield "client_secret refresh_token", "auth.client_secret is missing: give it, or auth.refresh_token"

    def token_endpoint(self) -> TokenEndpoint:
        """Only where `judge` found nothing."""
        assert self.token_url
        origin, target = self.token_url
        in_body = self.client_in == "body"
        return TokenEndpoint(
            origin, target, self.client_id, self.client_secret, self.scope, in_body, self.refresh_token
        )


T = TypeVar("T", bound=Table)


def read_provider(
    table: type[T], given: Mapping[str, object], *, called: str, environ: Mapping[str, str] | None = None
) -> T:
    """Read a provider's table. Raises ProviderSettingError with every mistake.

    Args:
        called: what each sentence begins with, as `[providers.gateway]`.
        environ: where `env:NAME` is looked up; without it the process's own environment.
    """
    made, mistakes = read(table, given, environ=os.environ if environ is None else environ, called=called)
    if mistakes:
        raise ProviderSettingError(*mistakes)
    return made
