"""Reading a gateway's call-back about a message: pure, from what was asked to receipts."""

import ipaddress
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import PlainValidator

from massar.core.settings import OWN, Expected, Table
from massar.domain.delivery.provider import Receipt
from massar.providers.receipt_words import listed
from massar.providers.sms_http.answer import Pattern, Steps, data_of, fields_of, find, reason, reference, walk

note = logging.getLogger("massar.receipts")
MOST_RECEIPTS = 1000
_NUMBER = re.compile(r"(?:tel:)?(?:\+|00)?([1-9][0-9]{6,14})")
_BETWEEN_DIGITS = str.maketrans("", "", " -.()/\u00a0")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: object) -> Network:
    try:
        return ipaddress.ip_network(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError("holds what is no network: give such as 192.0.2.0/24") from None


_Networks = tuple[Annotated[Network, PlainValidator(_network)], ...]


@dataclass(frozen=True)
class ReceiptForm(Table):
    """How call-backs read. Where nothing stands at `each`, the whole is one receipt, or a list of them. `provider` and
    `charset` are told by `receipt_form`."""

    provider: Annotated[str, OWN] = ""
    charset: Annotated[str, OWN] = "utf-8"
    each: Steps = ()
    """path of the list, where one call tells of several messages; a single object there is a list of one"""
    reference: Steps = ()
    """the id, as in the answer; how it may differ is told [there](sms-http.md#receipts)"""
    reference_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    state: Steps = ()
    """what became of the message: a parameter of the call-back, or a path in its JSON. Required"""
    state_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    states: dict[str, Literal["delivered", "failed", "underway"]] = field(default_factory=dict)
    """table: the gateway's words to `delivered`, `failed` or `underway`; `*` stands for the rest. A word that is not
    there settles nothing. Capitals, blanks around it, leading zeros of a number and other spellings of one SMPP state
    (`DELIVRD`, `DELIVERED`) do not count; `true`, `false` and `null` are words. Required"""
    code: Steps = ()
    """the reason; without it the state"""
    code_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    to: Steps = ()
    """the number"""
    to_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    networks: Annotated[_Networks, Expected('a list of networks, as ["192.0.2.0/24"]')] = ()
    """list of networks that may call, as `["192.0.2.0/24"]`; without it everybody may"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if not self.state or not self.states:
            yield "state states", "receipt needs receipt.state and the table receipt.states: add them"

    @property
    def names_messages(self) -> bool:
        return bool(self.reference or self.reference_pattern)

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
        """The receipts of a call-back: its query string, and the JSON or form of its body. None: there is none in it.
        Only what the settings name is looked at. An item that says no state is left out alone."""
        try:
            octets = query.encode("latin-1")  # as they came: WSGI has each in a character of its own
        except UnicodeEncodeError:
            octets = query.encode("utf-8", "replace")  # but some servers have decoded them
        asked = fields_of(octets, ("utf-8", self.charset))
        data = data_of(body, content_type, self.charset) if body else {}
        items = self._items(data) or [{}]  # a body that tells nothing: what was asked for may be enough
        if len(items) > MOST_RECEIPTS:
            return None
        found = [self._receipt({**asked, **item}) if isinstance(item, dict) else None for item in items]
        receipts = [receipt for receipt in found if receipt]
        if receipts and len(receipts) < len(found):
            lost = len(found) - len(receipts)
            note.warning("a call-back of %s: %d of %d items can't be read", self.provider, lost, len(found))
        return receipts or None

    def _items(self, data: object) -> list[object]:
        """What may be a receipt: at `each`, in one list or in several, else as a whole."""
        nodes = [data]
        for step in self.each:
            picks = step == "*" or step.isdecimal()
            nodes = [found for node in (nodes if picks else _flat(nodes)) for found in walk(node, (step,))]
        return _flat(nodes or [data])

    def _receipt(self, item: Mapping[str, object]) -> Receipt | None:
        def first(name: str) -> str:
            return next(iter(find(self, name, item)), "")

        state = first("state").strip()
        if not state and None in walk(item, self.state):
            state = "null"
        if not state:
            return None
        number = _NUMBER.fullmatch(first("to").translate(_BETWEEN_DIGITS))  # national ones are left out
        return Receipt(
            provider=self.provider, reference=reference(first("reference")), state=listed(state, self.states),
            code=reason(first("code") or state), to=f"+{number[1]}" if number else "",
        )  # fmt: skip


def _flat(nodes: list[object]) -> list[object]:
    """Lists opened, in their order, however deep they lie."""
    flat, waiting = [], nodes[::-1]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node[::-1]
        else:
            flat.append(node)
    return flat
