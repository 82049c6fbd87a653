"""The settings of an SMPP provider: one table of the configuration, or one URL. Every mistake is one sentence."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote

from massar.core.loopback import is_loopback
from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.smpp.pdu import Address
from massar.providers.smpp.receipt import DEC_TO_HEX, FORMS, HEX_TO_DEC, SAME, Forms

TRX, TX_AND_RX = "trx", "tx+rx"
RELATIVE, ABSOLUTE = "relative", "absolute"
ON, OFF = "on", "off"
PORTS = {OFF: 2775, ON: 3550}
BY_SHAPE = -1

_CHOICES = {
    "tls": (ON, OFF),
    "bind": (TRX, TX_AND_RX),
    "validity": (RELATIVE, ABSOLUTE),
    "receipt_id": FORMS,
    "receipt_id_tlv": FORMS,
}
# (least, most) of numbers; times are in seconds.
_BOUNDS = {
    "port": (0, 65_535),
    "binds": (1, 10),
    "window": (1, 1_000),
    "rate": (0.1, 1_000_000),
    "source_ton": (BY_SHAPE, 6),
    "source_npi": (BY_SHAPE, 18),
    "to_ton": (0, 6),
    "to_npi": (0, 18),
    "connect_timeout": (0.01, 600),
    "answer_timeout": (0.01, 600),
    "enquire_after": (0.01, 3_600),
    "reconnect_first": (0.01, 600),
    "reconnect_most": (0.01, 3_600),
}
# Longest texts that the protocol has room for (§5.2.1 to 5.2.3, 5.2.11). Passwords are 8 there; many SMSCs take more.
_LONGEST = {"system_id": 15, "password": 64, "system_type": 12, "service_type": 5}
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9 .&_-]{1,11}")
_DIGITS = re.compile(r"\+?[0-9]{1,20}")
_KINDS = {str: "a text", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class SmppSettings:
    """One contract with one operator. docs/operate/smpp.md says what each means; times are in seconds."""

    host: str
    system_id: str
    port: int = 0
    password: str = field(default="", repr=False)
    password_file: str = ""
    system_type: str = ""
    service_type: str = ""
    tls: str = ON
    ca_file: str = ""
    bind: str = TRX
    binds: int = 1
    window: int = 10
    rate: float = 10.0
    source: str = "MASSAR"
    source_ton: int = BY_SHAPE
    source_npi: int = BY_SHAPE
    to_ton: int = 1
    to_npi: int = 1
    validity: str = RELATIVE
    receipt_id: str = SAME
    receipt_id_tlv: str = SAME
    connect_timeout: float = 5.0
    answer_timeout: float = 10.0
    enquire_after: float = 30.0
    reconnect_first: float = 1.0
    reconnect_most: float = 60.0

    @property
    def place(self) -> tuple[str, int]:
        return self.host, self.port or PORTS[self.tls]

    @property
    def forms(self) -> Forms:
        return Forms(self.receipt_id, self.receipt_id_tlv)

    @property
    def sender(self) -> Address:
        """Names are 5/0 (alphanumeric), long numbers 1/1 (international, E.164), short codes 0/0."""
        text = self.source.removeprefix("+")
        ton, npi = (0, 0) if text.isdigit() else (5, 0)
        if text.isdigit() and (len(text) > 8 or self.source.startswith("+")):
            ton, npi = 1, 1
        return Address(
            ton if self.source_ton == BY_SHAPE else self.source_ton,
            npi if self.source_npi == BY_SHAPE else self.source_npi,
            text,
        )

    @property
    def tick(self) -> float:
        """How often deadlines are looked at."""
        return min(self.answer_timeout, self.enquire_after, 10.0) / 10

    @property
    def longest(self) -> timedelta:
        """Waiting for its turn, then for the answer; both are seen one tick late at most."""
        return timedelta(seconds=2 * self.answer_timeout + 2 * self.tick + 1)

    @property
    def rate_of_a_bind(self) -> float:
        """Messages per second that one connection sends: its share of 90 % of what the contract allows."""
        return 0.9 * self.rate / self.binds


def read_table(table: Mapping[str, object], *, name: str) -> SmppSettings:
    """`table` with `env:NAME` and `password_file` resolved. Raises ProviderSettingError, without any secret."""
    kinds = {one.name: one.type for one in fields(SmppSettings)}
    values = {}
    for key, value in table.items():
        if key not in kinds:
            raise ProviderSettingError(f"SMPP provider {name} has no setting {key!r}.")
        values[key] = _value(key, value, kinds[key], name)
    for key in ("host", "system_id"):
        if not values.get(key):
            raise ProviderSettingError(f"SMPP provider {name} needs the setting {key}.")
    if values.get("password_file"):
        values["password"] = _password(values, name)
    settings = SmppSettings(**values)
    problem = next(_problems(settings), "")
    if problem:
        raise ProviderSettingError(f"SMPP provider {name}: {problem}.")
    return settings


def read_url(parts: SplitResult, port: int | None, options: ProviderOptions) -> dict[str, object]:
    """The table that `smpp://` or `smpps://user:password@host:port?setting=value` stands for."""
    if parts.path not in ("", "/") or parts.fragment:
        raise ProviderSettingError("An SMSC's URL ends after host and port (and ?settings).")
    secure = parts.scheme == "smpps"
    table: dict[str, object] = {"tls": ON if secure else OFF, "source": options.sms_sender}
    if options.ca_file and secure:
        table["ca_file"] = str(options.ca_file)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if asked.keys() & {"host", "port", "system_id", "password"}:
        raise ProviderSettingError("An SMSC's URL names host, port, system_id and password before its ? and once.")
    explicit = asked.pop("tls", None)
    if explicit not in (None, table["tls"]):
        raise ProviderSettingError("An SMSC's URL that begins with smpp:// is tls=off, smpps:// is tls=on.")
    if not secure and not is_loopback(parts.hostname) and explicit is None:
        raise ProviderSettingError(
            "An SMSC on another machine must be reached by smpps://, or say tls=off (as inside an IPsec tunnel)."
        )
    kinds = {one.name: one.type for one in fields(SmppSettings)}
    table |= {key: _from_text(value, kinds.get(key, str)) for key, value in asked.items()}
    own = {"host": parts.hostname, "system_id": unquote(parts.username or ""), "port": port or 0}
    if parts.password:
        own["password"] = unquote(parts.password)
    return {**table, **own}


def _from_text(value: str, kind: type) -> object:
    try:
        return kind(value)
    except ValueError:
        return value  # of the wrong type, which is said where tables are judged


def _value(key: str, value: object, kind: type, name: str) -> object:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ProviderSettingError(f"SMPP provider {name}: {key} must be {_KINDS[kind]}.")
    if isinstance(value, str) and value.startswith("env:"):
        value = os.environ.get(value[4:])
        if value is None:
            raise ProviderSettingError(f"SMPP provider {name}: {key} names a variable that is not set.")
    return value


def _password(values: dict, name: str) -> str:
    if values.get("password"):
        raise ProviderSettingError(f"SMPP provider {name} has both password and password_file.")
    try:
        return Path(values["password_file"]).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ProviderSettingError(f"SMPP provider {name}: the file of password_file can't be read.") from problem


def _problems(settings: SmppSettings):
    for key, choices in _CHOICES.items():
        if getattr(settings, key) not in choices:
            yield f"{key} must be one of {', '.join(choices)}"
    for key, (least, most) in _BOUNDS.items():
        if not least <= getattr(settings, key) <= most:
            yield f"{key} must be from {least:g} to {most:g}"
    for key, longest in _LONGEST.items():
        text = getattr(settings, key)
        if len(text) > longest or not (text.isascii() and (text.isprintable() or not text)):
            yield f"{key} must be ASCII and at most {longest} characters"
    if not (_ALPHANUMERIC.fullmatch(settings.source) or _DIGITS.fullmatch(settings.source)):
        yield "source must be a name of at most 11 letters, digits and .&_- or a number"
    if set(settings.forms) >= {HEX_TO_DEC, DEC_TO_HEX}:
        yield "receipt_id and receipt_id_tlv contradict each other: an answer is hexadecimal or decimal, not both"
    if settings.reconnect_first > settings.reconnect_most:
        yield "reconnect_first must not be more than reconnect_most"
