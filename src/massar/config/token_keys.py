"""Data keys that a token (HSM, smart card, SoftHSM) derives: the master key never leaves it (PKCS#11 2.40).

    data key = HMAC-SHA-256(master key, "massar data key " + name)

The token computes it, once for each process; afterwards the derived key is in this process's memory, as every data key
is. The token is named by a URI of RFC 7512. This module is loaded only where a key is so named: python-pkcs11 is not
among what the product always needs (docs/adr/0065)."""

from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import pkcs11
from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from massar.core import settings

PATH = ("token", "serial", "object", "id")
QUERY = ("module-path", "pin-source", "pin-value")
_SAYS = {
    "PinIncorrect": "the PIN is wrong", "PinLocked": "the PIN is locked after too many wrong ones",
    "NoSuchToken": "there is no such token", "NoSuchKey": "the token has no such secret key",
    "MultipleTokensReturned": "several tokens fit: give its serial too",
    "MultipleObjectsReturned": "several keys fit: give its id too",
    "KeyTypeInconsistent": "the key is no generic secret", "KeyFunctionNotPermitted": "the key may not sign",
    "MechanismInvalid": "the token knows no HMAC-SHA-256",
}  # fmt: skip


def derive(name: str, uri: str) -> bytes:
    """Have the token derive the 32 bytes of the data key of that name. Raises ValueError with the rest of a sentence,
    which holds no PIN."""
    asked = _read(uri)
    try:
        library = pkcs11.lib(asked["module-path"])
        token = library.get_token(token_label=asked.get("token"), token_serial=_bytes(asked.get("serial")))
        with token.open(user_pin=_pin(asked)) as session:
            key = session.get_key(
                object_class=ObjectClass.SECRET_KEY, label=asked.get("object"), id=_id(asked.get("id"))
            )
            if key[Attribute.EXTRACTABLE]:
                raise ValueError(f"names a token for {name} whose key can be extracted: make one that can't")
            derived: bytes = key.sign(f"massar data key {name}".encode(), mechanism=Mechanism.SHA256_HMAC)
    except PKCS11Error as refused:
        why = _SAYS.get(type(refused).__name__) or str(refused) or type(refused).__name__
        raise ValueError(f"names a token for {name} that does not give the key: {why}") from None
    return derived


def _read(uri: str) -> dict[str, str]:
    """The attributes of a URI (RFC 7512 §2.3), percent-decoded but for `id`."""
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    found: dict[str, str] = {}
    for part, sign, known in ((path, ";", PATH), (query, "&", QUERY)):
        for attribute in filter(None, part.split(sign)):
            name, mark, value = attribute.partition("=")
            if not mark or name not in known or name in found:
                raise ValueError(f"names a token by {name[:20]!r}: give {settings.one_of(known)} there, each once")
            found[name] = value if name == "id" else unquote(value)
    if "module-path" not in found or not {"object", "id"} & set(found):
        raise ValueError("names a token without `module-path`, or without the key's `object` or `id`")
    return found


def _pin(asked: dict[str, str]) -> str:
    """From the file that `pin-source` names, or as it stands in `pin-value`."""
    source = asked.get("pin-source", "").removeprefix("file:")
    return str(settings.secret_file(source)) if source else asked.get("pin-value", "")


def _bytes(text: str | None) -> bytes | None:
    return text.encode() if text else None


def _id(text: str | None) -> Any:
    return unquote_to_bytes(text) if text else None
