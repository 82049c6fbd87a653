"""The settings of an SMPP provider: one table of the operator's file, or one URL."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qsl, unquote

from pydantic import AfterValidator, Field

from massar.core.loopback import is_loopback
from massar.core.settings import Line, Required, shape, typed
from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.settings import ProviderTable, Seconds, read_provider
from massar.providers.smpp import pdu
from massar.providers.smpp.receipt import DEC_TO_HEX, HEX_TO_DEC, Forms

TRX, RELATIVE = "trx", "relative"
ON, OFF = "on", "off"
PORTS = {OFF: 2775, ON: 3550}
BY_SHAPE = -1


def _ascii(longest: int) -> AfterValidator:
    """What the protocol has room for (§5.2.1 to 5.2.3, 5.2.11)."""

    def judge(text: str) -> str:
        if len(text) > longest or not text.isascii() or not text.isprintable():
            raise ValueError(f"must be ASCII and at most {longest} characters")
        return text

    return AfterValidator(judge)


_Source = shape(
    r"[A-Za-z0-9 .&_-]{1,11}|\+?[0-9]{1,20}", "must be a name of at most 11 letters, digits and .&_- or a number"
)
_ReceiptId = Literal["same", "hex_to_dec", "dec_to_hex"]
_Pause = Annotated[float, Field(ge=0.01, le=3600)]


@dataclass(frozen=True)
class SmppSettings(ProviderTable):
    """One contract with one operator. Times are in seconds."""

    kind: Literal["smpp"] = "smpp"
    """SMS to an operator's SMSC"""
    host: Annotated[Line, Required("name the SMSC")] = ""
    """name or address of the SMSC; with TLS it must be the name in its certificate"""
    system_id: Annotated[str, _ascii(15), Required("give our name there")] = ""
    """our name there, at most 15 characters"""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """without it 3550, or 2775 with tls off"""
    password: Annotated[str, _ascii(64)] = field(default="", repr=False)
    """at most 64 characters; the protocol's own limit is 8, which some SMSCs apply"""
    system_type: Annotated[str, _ascii(12)] = ""
    """some operators ask for one"""
    service_type: Annotated[str, _ascii(5)] = ""
    """the same, in each message"""
    tls: Literal["on", "off"] = "on"
    """`off` is for an IPsec tunnel or this machine; to another machine it is written to the log"""
    bind: Literal["trx", "tx+rx"] = "trx"
    """one connection both ways, or `tx+rx`: one to send and one to receive"""
    binds: Annotated[int, Field(ge=1, le=10)] = 1
    """how many (pairs of) connections the contract allows, in all processes together"""
    window: Annotated[int, Field(ge=1, le=1_000)] = 10
    """messages under way at once on each connection"""
    rate: Annotated[float, Field(ge=0.1, le=1_000_000)] = 10.0
    """messages per second that the contract allows, all binds together; we keep to 90 % of it"""
    source: Annotated[str, _Source] = "MASSAR"
    """sender: a name of at most 11 letters and digits, as registered, or a number"""
    source_ton: Annotated[int, Field(ge=BY_SHAPE, le=6)] = BY_SHAPE
    """type of number of the sender; -1: by its shape, a name 5, a long number 1, a short code 0"""
    source_npi: Annotated[int, Field(ge=BY_SHAPE, le=18)] = BY_SHAPE
    """its numbering plan; -1: 0, 1, 0"""
    to_ton: Annotated[int, Field(ge=0, le=6)] = 1
    """type of number of recipients (1: international)"""
    to_npi: Annotated[int, Field(ge=0, le=18)] = 1
    """its numbering plan (1: E.164)"""
    validity: Literal["relative", "absolute"] = "relative"
    """how the SMSC is told until when a message is worth delivering: seconds from now, or in UTC"""
    receipt_id: _ReceiptId = "same"
    """how the text of a receipt writes the id, [see there](smpp.md#the-id-of-a-receipt)"""
    receipt_id_tlv: _ReceiptId = "same"
    """the same for the optional parameter `receipted_message_id`"""
    answer_timeout: Seconds = 10.0
    """seconds until a message without an answer counts as unsure; also how long it may wait for its turn"""
    enquire_after: _Pause = 30.0
    """seconds of silence until we ask whether anybody is there"""
    reconnect_first: Seconds = 1.0
    """pause in seconds before the second try to connect; it doubles from failure to failure"""
    reconnect_most: _Pause = 60.0
    """the longest pause"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if {self.receipt_id, self.receipt_id_tlv} >= {HEX_TO_DEC, DEC_TO_HEX}:
            wish = "an answer is hexadecimal or decimal, not both"
            yield "receipt_id receipt_id_tlv", f"receipt_id and receipt_id_tlv contradict each other: {wish}"
        if self.reconnect_first > self.reconnect_most:
            yield "reconnect_first reconnect_most", "reconnect_first must not be more than reconnect_most"
        if self.tls == OFF and self.ca_file:
            yield "tls ca_file", "ca_file has no use with tls off: take it out"

    @property
    def place(self) -> tuple[str, int]:
        return self.host, self.port or PORTS[self.tls]

    @property
    def commands(self) -> tuple[int, ...]:
        return (pdu.BIND_TRANSCEIVER,) if self.bind == TRX else (pdu.BIND_TRANSMITTER, pdu.BIND_RECEIVER)

    @property
    def forms(self) -> Forms:
        return Forms(self.receipt_id, self.receipt_id_tlv)

    @property
    def sender(self) -> pdu.Address:
        """Names are 5/0 (alphanumeric), long numbers 1/1 (international, E.164), short codes 0/0."""
        text = self.source.removeprefix("+")
        ton, npi = (0, 0) if text.isdigit() else (5, 0)
        if text.isdigit() and (len(text) > 8 or self.source.startswith("+")):
            ton, npi = 1, 1
        ton = ton if self.source_ton == BY_SHAPE else self.source_ton
        return pdu.Address(ton, npi if self.source_npi == BY_SHAPE else self.source_npi, text)

    @property
    def tick(self) -> float:
        return min(self.answer_timeout, self.enquire_after, 10.0) / 10

    @property
    def longest(self) -> timedelta:
        """Waiting for its turn, then for the answer; both are seen one tick late at most."""
        return timedelta(seconds=2 * self.answer_timeout + 2 * self.tick + 1)

    @property
    def rate_of_a_bind(self) -> float:
        """Messages per second that one connection sends: its share of 90 % of what the contract allows."""
        return 0.9 * self.rate / self.binds


def read_table(table: Mapping[str, object], *, name: str, environ: Mapping[str, str] | None = None) -> SmppSettings:
    """Read a table. `password_file = "PATH"` is `password = "file:PATH"`. Raises ProviderSettingError."""
    called, given = f"[providers.{name}]", dict(table)
    if "password_file" in given:
        path = given.pop("password_file")
        if given.get("password"):
            raise ProviderSettingError(f"{called} has both password and password_file: keep one of them.")
        given["password"] = f"file:{path}"
    return read_provider(SmppSettings, given, called=called, environ=environ)


def read_url(parts: SplitResult, options: ProviderOptions) -> SmppSettings:
    """Read `smpp://` or `smpps://user:password@host:port?setting=value`. Raises ProviderSettingError."""
    called = "An SMSC's URL:"
    if parts.path not in ("", "/") or parts.fragment:
        raise ProviderSettingError(f"{called} it ends after host and port (and ?settings).")
    host, tls = parts.hostname or "", ON if parts.scheme == "smpps" else OFF
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if asked.keys() & {"kind", "price", "host", "port", "system_id", "password", "password_file"}:
        raise ProviderSettingError(f"{called} it names host, port, system_id and password before its ? and once.")
    if asked.get("tls", tls) != tls:
        raise ProviderSettingError(f"{called} one that begins with smpp:// is tls=off, smpps:// is tls=on.")
    if tls == OFF and not is_loopback(host) and "tls" not in asked:
        wish = "reach it by smpps://, or say tls=off (as inside an IPsec tunnel)"
        raise ProviderSettingError(f"{called} it names another machine: {wish}.")
    table: dict[str, object] = {"source": options.sms_sender, **typed(SmppSettings, asked)}
    table |= {"tls": tls, "host": host, "port": parts.port or 0, "system_id": unquote(parts.username or "")}
    table |= {"password": unquote(parts.password)} if parts.password else {}
    if options.ca_file and tls == ON:
        table.setdefault("ca_file", str(options.ca_file))
    return read_provider(SmppSettings, table, called=called)
