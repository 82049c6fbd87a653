"""Reading a gateway's call-back about a message: pure, from what was asked to receipts."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from .contract import UNDERWAY, Receipt
from .http_answer import Finder, Told, reason, reference

MOST_FIELDS = 60
MOST_RECEIPTS = 1000
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class ReceiptForm:
    """How call-backs of one carrier read.

    `each`: where the list of receipts stands; without it the whole is one receipt, or a list of them. `states`: the
    gateway's words (`*` for the rest) to ours; a word that is not there settles nothing. `networks`: who may call;
    empty for everybody who knows the address.
    """

    carrier: str
    state: Finder
    states: Mapping[str, str]
    each: tuple[str, ...] = ()
    reference: Finder | None = None
    code: Finder | None = None
    to: Finder | None = None
    networks: tuple[Network, ...] = field(default=())

    def may_call(self, address: str) -> bool:
        if not self.networks:
            return True
        try:
            caller = ipaddress.ip_address(address)
        except ValueError:
            return False
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return any(caller in network for network in self.networks)

    def read(self, *, query: str, content_type: str = "", body: bytes = b"") -> list[Receipt] | None:
        """The receipts of a call-back: its query string, and the JSON or form of its body. None: it is none."""
        try:
            asked = _fields(query)
            data = json.loads(body) if "json" in content_type else _fields(body.decode()) if body else {}
        except (ValueError, RecursionError):
            return None
        items = _items(data, self.each)
        if items is None or len(items) > MOST_RECEIPTS:
            return None
        receipts = [self._receipt({**asked, **item}) for item in items]
        return None if None in receipts else receipts

    def _receipt(self, item: Mapping) -> Receipt | None:
        said = Told(item, "")
        state = self.state.first(said)
        if not state:
            return None
        return Receipt(
            carrier=self.carrier,
            reference=reference(self.reference.first(said)) if self.reference else "",
            state=self.states.get(state, self.states.get("*", UNDERWAY)),
            code=reason(self.code.first(said) or state if self.code else state),
            to=_number(self.to.first(said)) if self.to else "",
        )


def _fields(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))


def _items(data: object, each: tuple[str, ...]) -> list[dict] | None:
    for step in each:
        data = data.get(step) if isinstance(data, dict) else None
    items = data if isinstance(data, list) else None if each else [data]
    return items if items is not None and all(isinstance(item, dict) for item in items) else None


def _number(said: str) -> str:
    """`tel:+212…`, `212…` or `+212…` as E.164; empty for what is none."""
    digits = said.removeprefix("tel:").removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdecimal() and 7 <= len(digits) <= 15 else ""
