"""Reading a gateway's call-back about a message: pure, from what was asked to receipts."""

import ipaddress
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from massar.domain.delivery.provider import Receipt
from massar.providers.receipt_words import listed
from massar.providers.sms_http import body as http_body
from massar.providers.sms_http.answer import Finder, Reply, reason, reference, walk

note = logging.getLogger("massar.receipts")

MOST_RECEIPTS = 1000
_NUMBER = re.compile(r"(?:tel:)?(?:\+|00)?([1-9][0-9]{6,14})")
_BETWEEN_DIGITS = str.maketrans("", "", " -.()/\u00a0")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class ReceiptForm:
    """How call-backs of one provider read.

    `each`: where the list of receipts stands; where nothing stands there, the whole is one receipt, or a list of them.
    `states`: the gateway's words (`*` for the rest) to ours; a word that is not there settles nothing. `networks`: who
    may call; empty for everybody who knows the address. `charset`: the gateway's, where a call-back is not in UTF-8.
    """

    provider: str
    state: Finder
    states: Mapping[str, str]
    each: tuple[str, ...] = ()
    reference: Finder | None = None
    code: Finder | None = None
    to: Finder | None = None
    networks: tuple[Network, ...] = field(default=())
    charset: str = "utf-8"

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

        Only what the settings name is looked at. An item that says no state is left out alone.
        """
        asked = http_body.fields(_octets(query), ("utf-8", self.charset))
        data = http_body.read(body, content_type, self.charset) if body else {}
        items = _items(data, self.each) or [{}]  # a body that tells nothing: what was asked for may be enough
        if len(items) > MOST_RECEIPTS:
            return None
        found = [self._receipt({**asked, **item}) if isinstance(item, dict) else None for item in items]
        receipts = [receipt for receipt in found if receipt]
        if receipts and len(receipts) < len(found):
            note.warning(
                "a call-back of %s: %d of %d items can't be read", self.provider, len(found) - len(receipts), len(found)
            )
        return receipts or None

    def _receipt(self, item: Mapping[str, object]) -> Receipt | None:
        said = Reply(item, "")
        state = self.state.first(said).strip()
        if not state and None in walk(item, self.state.path):
            state = "null"
        if not state:
            return None
        return Receipt(
            provider=self.provider,
            reference=reference(self.reference.first(said)) if self.reference else "",
            state=listed(state, self.states),
            code=reason(self.code.first(said) or state if self.code else state),
            to=_number(self.to.first(said)) if self.to else "",
        )


def _octets(query: str) -> bytes:
    """As they came: WSGI has each in a character of its own, but some servers have decoded them."""
    try:
        return query.encode("latin-1")
    except UnicodeEncodeError:
        return query.encode("utf-8", "replace")


def _items(data: object, each: tuple[str, ...]) -> list[object]:
    """What may be a receipt: at `each`, in one list or in several, else as a whole."""
    nodes = [data]
    for step in each:
        picks = step == "*" or step.isdecimal()
        nodes = [found for node in (nodes if picks else _flat(nodes)) for found in walk(node, (step,))]
    return _flat(nodes or [data])


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


def _number(said: str) -> str:
    """`tel:+212…`, `00212…`, `212…` or `+212…` as E.164; empty for what is none, and for a national one."""
    number = _NUMBER.fullmatch(said.translate(_BETWEEN_DIGITS))
    return f"+{number[1]}" if number else ""
