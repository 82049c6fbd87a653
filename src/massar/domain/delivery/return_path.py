"""The return path of each message (VERP): which message a report is about, and that it is not invented.

`b+<uid>-<of the address, 12 hex>-<proof, 24 hex>@bounce.example.ma`, 61 signs before the @ (RFC 5321 allows 64). The
address itself can't be read from it; whoever knows an address can ask whether it was the one."""

import hmac
import re
from dataclasses import dataclass, field

from massar.core import encryption

_SHAPE = re.compile(r"b\+([a-z0-9]{21})-([0-9a-f]{12})-([0-9a-f]{24})(?:@|\Z)", re.ASCII)
_ADDRESS, _PROOF = "return-path-address", "return-path"


@dataclass(frozen=True)
class Returned:
    """A genuine return path: of the message `uid`, to an address that only `was_to` can tell."""

    uid: str
    _address: str = field(repr=False)

    def was_to(self, address: str) -> bool:
        """Whether the message was sent to `address`, spelled as it was then; constant time."""
        return _is_one_of(self._address, encryption.data_keys().blind_indexes(_ADDRESS, self.uid, address))


def address(uid: str, to: str, domain: str) -> str:
    """The return path of the message `uid` (as the outbox makes it) to the address `to`."""
    keys = encryption.data_keys()
    of_address = keys.blind_index(_ADDRESS, uid, to)[:12]
    return f"b+{uid}-{of_address}-{keys.blind_index(_PROOF, uid, of_address)[:24]}@{domain}"


def read(recipient: str) -> Returned | None:
    """What a report's recipient names, or None if it is none of ours. Some servers write it in capitals."""
    found = _SHAPE.match(recipient.lower())
    if not found:
        return None
    uid, of_address, proof = found.groups()
    genuine = _is_one_of(proof, encryption.data_keys().blind_indexes(_PROOF, uid, of_address))
    return Returned(uid, of_address) if genuine else None


def _is_one_of(given: str, tags: list[str]) -> bool:
    return any([hmac.compare_digest(given, tag[: len(given)]) for tag in tags])
