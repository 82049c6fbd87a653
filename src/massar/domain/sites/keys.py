"""Signing keys: made here, encrypted at rest, rolled so that no site notices.

    published --active_from--> active --a newer one is active--> retired --all it signed has ended--> removed

A new key is published before it signs: a day for tokens (sites cache key sets for hours), two weeks for SAML (at many
sites a person puts the certificate in by hand). It stays published for a day after the last token it may have signed.
"""

import json
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from massar.core import encryption, ids, local_time
from massar.domain.sites.models import SigningKey

USES = ES256, RS256, SAML = SigningKey.Use.ES256, SigningKey.Use.RS256, SigningKey.Use.SAML
FOR_TOKENS = (ES256, RS256)
PUBLISHED_BEFORE = {ES256: timedelta(days=1), RS256: timedelta(days=1), SAML: timedelta(days=14)}
KEPT_AFTER = timedelta(days=1)
RSA_BITS = 3072  # 128 bits of strength (NIST SP 800-57 part 1, table 2); 0.9 ms a signature, 0.3 with 2048
SAML_CERTIFICATE_LIFE = timedelta(days=365 * 3)
LOOKED_UP_EVERY = timedelta(seconds=30)

Jwk = Mapping[str, Any]  # a JSON object (RFC 7517 §4)


class Signer(NamedTuple):
    """An opened key. public: a JWK as JSON; the certificate as PEM for SAML."""

    kid: str
    use: str
    key: ECKey | RSAKey
    public: str

    @property
    def rsa(self) -> rsa.RSAPrivateKey:
        """The key that signs XML and SAML's query strings."""
        private = self.key.private_key
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError(f"{self.use} is no RSA key")
        return private

    @property
    def jwk(self) -> Jwk:
        """The public JWK with kid, use and alg."""
        return _jwk(self.public, self.kid, self.use)


def _jwk(public: str, kid: str, use: str) -> Jwk:
    return {**json.loads(public), "kid": kid, "use": "sig", "alg": str(use)}


_LOCK = threading.Lock()
_OPENED: dict[str, Signer] = {}  # of this process
_KNOWN: dict[str, tuple[datetime, list[SigningKey]]] = {}  # by use; asked again every half minute


def active(use: str, *, now: datetime) -> Signer:
    """The key that signs now. The first one of its use is made on the spot and active at once."""
    return _opened(next(key for key in _known(use, now) if key.active_from <= now))


def published(uses: tuple[str, ...] = FOR_TOKENS, *, now: datetime) -> list[Signer]:
    """All keys that verifiers should know, newest first."""
    known = [key for use in uses for key in _known(use, now)]
    return [_opened(key) for key in sorted(known, key=lambda key: key.pk, reverse=True)]


def forget_opened() -> None:
    with _LOCK:
        _OPENED.clear()
        _KNOWN.clear()


def _known(use: str, now: datetime) -> list[SigningKey]:
    known = _KNOWN.get(use)
    if known is None or not known[0] <= now < known[0] + LOOKED_UP_EVERY:
        known = _KNOWN[use] = (now, _ensured(use, now))
    return known[1]


def _opened(key: SigningKey) -> Signer:
    with _LOCK:
        if key.kid not in _OPENED:
            place, data = f"sites_signingkey {key.pk}", f"signing-key|{key.kid}"
            der = encryption.open_row(bytes(key.ciphertext), associated_data=data, row=place)
            if der is None:
                raise encryption.Broken(f"the row {place} was changed")
            # What is decrypted is what was made here; judging its primes once more would cost 40 ms.
            private = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
            _OPENED[key.kid] = Signer(key.kid, key.use, _imported(private), key.public)
        return _OPENED[key.kid]


def removed_jwks() -> list[Jwk]:
    """Public keys under which nothing is believed any more, newest first: to tell what they signed from a forgery."""
    found = SigningKey.objects.filter(use__in=FOR_TOKENS).exclude(removed_at=None).order_by("-id")
    return [_jwk(key.public, key.kid, key.use) for key in found]


def rotate(
    *, now: datetime, uses: tuple[str, ...] = FOR_TOKENS, at_once: bool = False, lead: timedelta | None = None
) -> list[str]:
    """Make the next keys and remove those that nobody needs any more; returns a sentence for each thing that was done.
    at_once: the active key may be stolen and signs no longer; nor does one that waits for its day. lead: how long the
    new key is published before it signs; None: PUBLISHED_BEFORE of its use."""
    done = []
    for use in uses:
        before = _ensured(use, now)
        starts = now if at_once else now + (PUBLISHED_BEFORE[SigningKey.Use(use)] if lead is None else lead)
        made = _make(use, now, starts)
        done.append(f"{use}: key {made.kid} is published and signs from {local_time.stamp(starts)}.")
        live = sorted([*before, made], key=lambda key: (key.active_from, key.pk))
        # One whose successor has signed long enough that nothing it signed is still good.
        old = [one for one, next_ in pairwise(live) if next_.active_from + KEPT_AFTER <= now]
        for key in before if at_once else old:
            key.removed_at = now
            key.save(update_fields=["removed_at"])
            done.append(f"{use}: key {key.kid} was removed.")
    forget_opened()
    return done


def _live(use: str) -> list[SigningKey]:
    return list(SigningKey.objects.filter(use=use, removed_at=None).order_by("-active_from", "-id"))


def _ensured(use: str, now: datetime) -> list[SigningKey]:
    """Keys that verifiers know, the one that signs newest first; one of them signs now."""
    live = _live(use)
    return live if any(key.active_from <= now for key in live) else [*live, _make(use, now, now)]


class KeyStatus(NamedTuple):
    """A key that is not removed. state: 'waiting', 'active' or 'retired'."""

    use: str
    kid: str
    state: str
    active_from: datetime
    public: str


def statuses(*, now: datetime) -> list[KeyStatus]:
    """All keys that verifiers know, by use, the one that signs newest first. Only looks: it makes and opens none."""
    found = []
    for use in SigningKey.Use.values:
        live = _live(use)
        active = next((key.kid for key in live if key.active_from <= now), "")
        for key in live:
            state = "active" if key.kid == active else "waiting" if key.active_from > now else "retired"
            found.append(KeyStatus(use, key.kid, state, key.active_from, key.public))
    return found


def _make(use: str, now: datetime, active_from: datetime) -> SigningKey:
    kid = ids.short_token()
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if use == ES256:
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    unencrypted = serialization.NoEncryption()
    der = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, unencrypted)
    public = _certificate(private, now) if use == SAML else json.dumps(_imported(private).as_dict(private=False))
    ciphertext = encryption.data_keys().encrypt(der, associated_data=f"signing-key|{kid}")
    return SigningKey.objects.create(
        kid=kid, use=use, ciphertext=ciphertext, public=public, created_at=now, active_from=active_from
    )


def _imported(private: object) -> ECKey | RSAKey:
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return ECKey.import_key(private)
    if isinstance(private, rsa.RSAPrivateKey):
        return RSAKey.import_key(private)
    raise TypeError("no key of ours")


def _certificate(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, now: datetime) -> str:
    """A self-signed certificate: SAML pins the key, nobody checks a chain."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Massar Account SAML signing")])
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + SAML_CERTIFICATE_LIFE)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def signed(claims: dict[str, object], *, use: str, kind: str, now: datetime) -> str:
    """A compact JWS of the claims under the active key; `kind` is its typ header (RFC 8725 §3.11)."""
    signer = active(use, now=now)
    header = {"alg": str(use), "kid": signer.kid, "typ": kind}
    return jwt.encode(header, claims, signer.key, algorithms=[str(use)])


def saml_certificate_expiry(*, now: datetime) -> tuple[datetime, datetime | None] | None:
    """When the certificate that signs for SAML ends, and when the next key signs, if one waits. None: no key yet."""
    known = {key.state: key for key in statuses(now=now) if key.use == SAML}
    if "active" not in known:
        return None
    certificate = x509.load_pem_x509_certificate(known["active"].public.encode())
    return certificate.not_valid_after_utc, known["waiting"].active_from if "waiting" in known else None
