"""Signed tokens on the other side of the wire, by `cryptography` alone: no code is shared with the product."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature


class Distrust(AssertionError):
    """A site must not believe this answer."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def parts(token: str) -> tuple[dict, dict, bytes, bytes]:
    """Header, claims, signed bytes, signature of a compact JWS; nothing is checked."""
    head, body, signature = token.split(".")
    return json.loads(unb64(head)), json.loads(unb64(body)), f"{head}.{body}".encode(), unb64(signature)


def verified(token: str, keys: list[dict], algorithms: set[str]) -> tuple[dict, dict]:
    """Header and claims under one of the published keys. Raises Distrust, or InvalidSignature."""
    header, claims, signed, signature = parts(token)
    if header["alg"] not in algorithms:
        raise Distrust(f"signed with {header['alg']}")
    fitting = [k for k in keys if k["kid"] == header.get("kid") and k.get("alg") == header["alg"]]
    if len(fitting) != 1:
        raise Distrust(f"no key {header.get('kid')} is published")
    key = public_key(fitting[0])
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    return header, claims


def public_key(jwk: dict) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """RFC 7518 §6.2, §6.3."""
    numbers = {name: int.from_bytes(unb64(jwk[name])) for name in ("n", "e", "x", "y") if name in jwk}
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key()
    return ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], ec.SECP256R1()).public_key()


def packed(value: dict | str) -> str:
    """One part of a JWS; a text is taken as the JSON that it is."""
    return b64((value if isinstance(value, str) else json.dumps(value)).encode())


def signed_es256(header: dict, claims: dict | str, key: ec.EllipticCurvePrivateKey) -> str:
    signed = f"{packed(header)}.{packed(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


def unsigned(claims: dict, alg: str = "none") -> str:
    """What nobody signed."""
    return f"{packed({'alg': alg})}.{packed(claims)}."


def public_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict:
    numbers = key.public_key().public_numbers()
    point = {"x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
    return {"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", **point}
