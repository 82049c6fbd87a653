"""The two WebAuthn ceremonies, the server's side (W3C WebAuthn Level 3 §7.1, §7.2). No table is touched here.

fido2 verifies the type, the challenge, the hash of the RP ID, that a person was present and verified, the signature.
What it leaves to us: the exact origin (by itself it takes any port and any subdomain), frames of other origins, the
algorithm of a new key, the length of its id, the backup flags, the user handle, the signature counter."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from fido2.cose import ES256
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    AuthenticatorTransport,
    CollectedClientData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from massar.core import clock, encryption, ids

CHALLENGE_LIFE = timedelta(minutes=5)
ALGORITHMS = (-7, -8, -257)  # ES256, EdDSA, RS256 (Windows Hello): every authenticator makes one of them
LONGEST_ANSWER = 8192  # characters; an answer with an RSA key takes 1500
LONGEST_ID = 1023  # bytes, §7.1 step 25
TRANSPORTS = frozenset(one.value for one in AuthenticatorTransport)
REQUIRED = UserVerificationRequirement.REQUIRED

Judged = Literal["right", "late", "wrong"]


class NewPasskey(NamedTuple):
    """What a browser has shown of a passkey that was just made."""

    credential: AttestedCredentialData
    transports: tuple[str, ...]
    sign_count: int
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True)
class PasskeyAssertion:
    """What a browser has posted, read but not believed. challenge: as the browser says that it was asked."""

    challenge: bytes = field(repr=False)
    credential_id: bytes
    user_handle: bytes
    response: AuthenticationResponse = field(repr=False)

    @property
    def data(self) -> AuthenticatorData:
        return self.response.response.authenticator_data


def possible() -> bool:
    """Whether browsers make passkeys for our address: it has a name (no IP address), and https or this machine."""
    host = settings.MASSAR.host
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return bool(settings.MASSAR.https) or host == "localhost" or host.endswith(".localhost")
    return False


# The challenge: the moment, 256 random bits, and our HMAC over both and over what it is for. Nothing is stored: a page
# that only shows one costs no row. That it serves once is kept with the passkey (`passkeys.use`).


def challenge(*bound: object, now: datetime) -> bytes:
    """Make a challenge for one browser and one action (`bound`)."""
    body = clock.micros(now).to_bytes(8, "big") + ids.key_bytes()
    return body + _mac(body, bound)


def judge_challenge(value: bytes, *bound: object, now: datetime) -> Judged:
    """Whether it was made here for that browser and that action, and at most five minutes ago; or ahead, for clocks
    differ, and one that was wrong must not leave challenges that live on when it is right again."""
    body, mac = value[:40], value[40:]
    if not encryption.browser_keys().verify(mac.hex(), "passkey-challenge", body.hex(), *bound):
        return "wrong"
    return "right" if abs(now - clock.from_micros(made_at(value))) <= CHALLENGE_LIFE else "late"


def made_at(value: bytes) -> int:
    """When a genuine challenge was made: microseconds since 1970."""
    return int.from_bytes(value[:8], "big")


def _mac(body: bytes, bound: tuple[object, ...]) -> bytes:
    return bytes.fromhex(encryption.browser_keys().sign("passkey-challenge", body.hex(), *bound))


# What the browser is asked, as JSON of WebAuthn Level 3 §5.1.8 to 5.1.10.


def creation_options(
    *, user_handle: bytes, login: str, name: str, held: Iterable[tuple[bytes, tuple[str, ...]]], challenge: bytes
) -> str:
    """Ask for a new passkey. held: (id, transports) of those the person has; their authenticators make no second."""
    options, _ = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user_handle, name=login, display_name=name), [_named(*one) for one in held],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED, user_verification=REQUIRED, challenge=challenge,
    )  # fmt: skip
    return json.dumps(dict(options.public_key))


def request_options(*, challenge: bytes, allowed: Iterable[tuple[bytes, tuple[str, ...]]] = ()) -> str:
    """Ask for an assertion. allowed: (id, transports) of those that will do; none: whichever the person picks."""
    asked = {"challenge": websafe_encode(challenge), "rpId": settings.MASSAR.host, "userVerification": REQUIRED.value}
    named = [dict(_named(*one)) for one in allowed]
    # By hand: fido2's own classes take 0.6 ms, which every look at the sign-in page would cost.
    return json.dumps({**asked, "allowCredentials": named} if named else asked)


def _named(credential_id: bytes, transports: tuple[str, ...]) -> PublicKeyCredentialDescriptor:
    kinds = [AuthenticatorTransport(one) for one in transports]
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=credential_id, transports=kinds)


# What the browser posts.


def read_new(answer: str, *bound: object, now: datetime) -> NewPasskey | None:
    """Read the answer to `creation_options`; None unless all of it is as it must be."""
    found = _parse(answer)
    try:
        registration = RegistrationResponse.from_dict(found)
        client = registration.response.client_data
        if judge_challenge(client.challenge, *bound, now=now) != "right" or not _in_own_frame(client):
            return None
        data = _server().register_complete(_state(client), registration)
        transports = tuple(sorted(TRANSPORTS & set(found["response"].get("transports") or ())))
    except Exception:  # whatever a parser makes of hostile bytes, it is a refusal
        return None
    credential = data.credential_data
    if credential is None or credential.public_key.get(3) not in ALGORITHMS or not _flags_fit(data):
        return None
    if credential.credential_id != registration.raw_id or len(credential.credential_id) > LONGEST_ID:
        return None
    return NewPasskey(credential, transports, data.counter, data.is_backup_eligible(), data.is_backed_up())


def read_assertion(answer: str) -> PasskeyAssertion | None:
    """Read the answer to `request_options`; None if it can be none."""
    try:
        response = AuthenticationResponse.from_dict(_parse(answer))
        given = response.response
        return PasskeyAssertion(given.client_data.challenge, response.raw_id, given.user_handle or b"", response)
    except Exception:  # as above
        return None


def verify(assertion: PasskeyAssertion, credential: AttestedCredentialData | None) -> bool:
    """Whether the passkey with that public key has signed it, here and now, for a person it has verified. None: nobody
    has it; then a decoy is verified, which costs the same. The challenge is judged by `judge_challenge`."""
    client = assertion.response.response.client_data
    try:
        key = credential or _decoy(assertion.credential_id)
        _server().authenticate_complete(_state(client), [key], assertion.response)
    except Exception:  # as above; a signature that does not fit is a ValueError
        return False
    return credential is not None and _in_own_frame(client) and _flags_fit(assertion.data)


def _parse(answer: str) -> Mapping[str, Any]:
    """The JSON object that was posted; an empty one where it is none."""
    try:
        found = json.loads(answer) if len(answer) <= LONGEST_ANSWER else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _state(client: CollectedClientData) -> dict[str, object]:
    """What fido2 would have kept. The challenge is genuine by its HMAC, so what came is what was sent."""
    return {"challenge": websafe_encode(client.challenge), "user_verification": REQUIRED}


def _in_own_frame(client: CollectedClientData) -> bool:
    """Our pages stand in no frame; whoever says otherwise has another page around them (§13.4.9)."""
    return client.cross_origin is False and "topOrigin" not in json.loads(client)


def _flags_fit(data: AuthenticatorData) -> bool:
    """What is backed up can be backed up (§6.1.3); the key itself is shown when it is made, and never again."""
    return data.is_backup_eligible() or not data.is_backed_up()


@lru_cache(maxsize=4)
def _server_at(host: str, origin: str) -> Fido2Server:
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=host, name=host),  # the name is deprecated; browsers show the host
        AttestationConveyancePreference.NONE, verify_origin=lambda given: given == origin,
    )  # fmt: skip
    server.allowed_algorithms = [one for one in server.allowed_algorithms if one.alg in ALGORITHMS]
    return server


def _server() -> Fido2Server:
    """One for the public address. Its origin as browsers spell it: small letters, no port that goes without saying."""
    parts = urlsplit(settings.MASSAR.public_url)
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return _server_at(settings.MASSAR.host, f"{parts.scheme}://{settings.MASSAR.host}{port}")


def _decoy(credential_id: bytes) -> AttestedCredentialData:
    return AttestedCredentialData.create(Aaguid.NONE, credential_id, _decoy_key())


@lru_cache(maxsize=1)
def _decoy_key() -> ES256:
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    return ES256({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
