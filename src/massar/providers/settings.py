"""What the tables of all providers share: how they are read, and times."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator

from massar.core.settings import Expected, Table, Verbatim, read
from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.connect import tls_context


def _elsewhere(value: object) -> object:
    if value and not isinstance(value, Verbatim):
        raise ValueError("must be env:NAME or file:PATH: no secret stands in the file")
    return value


def _ca_file(text: object) -> Path | None:
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError("must be a path, in quotes")
    if not text:
        return None
    tls_context(Path(text))
    return Path(text)


Seconds = Annotated[float, Field(ge=0.01, le=600), Expected("a number of seconds, more than 0 and at most 600")]
Elsewhere = Annotated[str, BeforeValidator(_elsewhere)]
_TIMES = ("connect_timeout", "answer_timeout", "total_timeout")
CaFile = Annotated[Path | None, PlainValidator(_ca_file), Expected("a path")]


@dataclass(frozen=True)
class ProviderTable(Table):
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
class OneByOneTable(ProviderTable):
    """Of a provider that hands over one message after the other on each connection."""

    total_timeout: Seconds = 30.0
    """seconds; all of a message, token included, ends within this and twice `connect_timeout`"""

    def options(self, name: str) -> ProviderOptions:
        return ProviderOptions(name=name, ca_file=self.ca_file, **{key: getattr(self, key) for key in _TIMES})


def from_options(options: ProviderOptions) -> dict[str, object]:
    return {"ca_file": str(options.ca_file or ""), **{key: getattr(options, key) for key in _TIMES}}


T = TypeVar("T", bound=Table)


def read_provider(
    table: type[T], given: Mapping[str, object], *, called: str, environ: Mapping[str, str] | None = None
) -> T:
    """Read a provider's table. Raises ProviderSettingError with every mistake, each of which begins with `called`, as
    `[providers.gateway]`. `environ`: where `env:NAME` is looked up; without it the process's own environment."""
    made, mistakes = read(table, given, environ=os.environ if environ is None else environ, called=called)
    if mistakes:
        raise ProviderSettingError(*mistakes)
    return made
