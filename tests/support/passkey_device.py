"""A phone or key that makes passkeys and signs with them, in Python: honest, or as wrong as a test asks for; and the
steps by which people add one and use it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_bytes

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData
from lxml.html import HTMLParser, document_fromstring

from tests.support.visitor import Visitor

FLAG = AuthenticatorData.FLAG
HERE = "http://localhost:8000"  # the public address of the tests
Sign = Callable[[bytes], bytes]


def es256() -> tuple[CoseKey, Sign]:
    private = ec.generate_private_key(ec.SECP256R1())
    return ES256.from_cryptography_key(private.public_key()), lambda data: private.sign(data, ec.ECDSA(SHA256()))


def eddsa() -> tuple[CoseKey, Sign]:
    private = ed25519.Ed25519PrivateKey.generate()
    return EdDSA.from_cryptography_key(private.public_key()), private.sign


def rs256() -> tuple[CoseKey, Sign]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return RS256.from_cryptography_key(private.public_key()), lambda data: private.sign(
        data, padding.PKCS1v15(), SHA256()
    )


@dataclass
class Authenticator:
    """What it does can be changed between two uses. `step`: what its counter grows by; 0: it keeps none (synced)."""

    flags: int = FLAG.UP | FLAG.UV
    step: int = 1
    counter: int = 0
    origin: str = HERE
    rp_id: str = ""  # of the options, without one
    kind: Callable[[], tuple[CoseKey, Sign]] = es256
    client: dict = field(default_factory=dict)  # what the browser says besides
    credential_id: bytes = field(default_factory=lambda: token_bytes(16))
    user_handle: bytes | None = None
    name: str = ""

    def __post_init__(self):
        self.key, self.sign = self.kind()

    def make(self, options: str) -> str:
        """Answer creation options, as a browser posts it."""
        asked = json.loads(options)
        self.user_handle, self.name = websafe_decode(asked["user"]["id"]), asked["user"]["name"]
        credential = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, self.key)
        data = self._data(asked["rp"]["id"], self.flags | FLAG.AT, credential)
        made = AttestationObject.create("none", data, {})
        response = {"attestationObject": websafe_encode(made), "transports": ["internal", "hybrid"]}
        return self._answer(self._client("webauthn.create", asked), response)

    def get(self, options: str) -> str:
        """Answer request options."""
        asked = json.loads(options)
        client = self._client("webauthn.get", asked)
        data = self._data(asked["rpId"], self.flags)
        response = {
            "authenticatorData": websafe_encode(data), "signature": websafe_encode(self.sign(data + sha256(client))),
            "userHandle": self.user_handle and websafe_encode(self.user_handle),
        }  # fmt: skip
        return self._answer(client, response)

    def _data(self, rp_id: str, flags: int, credential: bytes = b"") -> AuthenticatorData:
        self.counter += self.step
        return AuthenticatorData.create(sha256((self.rp_id or rp_id).encode()), flags, self.counter, credential)

    def _client(self, kind: str, asked: dict) -> CollectedClientData:
        return CollectedClientData.create(kind, asked["challenge"], self.origin, **self.client)

    def _answer(self, client: bytes, response: dict) -> str:
        name = websafe_encode(self.credential_id)
        said = {"clientDataJSON": websafe_encode(client), **response}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": said})


def asked(visitor: Visitor, action: str) -> str:
    """What the page in front of us asks a passkey, for its form to that address."""
    found = document_fromstring(visitor.html.encode(), HTMLParser(encoding="utf-8")).xpath(
        "//form[@action=$to]", to=action
    )
    return found[0].get("data-options")


def add_passkey(visitor: Visitor, password: str, device: Authenticator, name: str = "") -> Visitor:
    """Add one on the page of a person who is signed in."""
    visitor.get("/profile/security/").submit("/profile/security/passkey/begin/", password=password, name=name)
    answer = device.make(asked(visitor, "/profile/security/passkey/"))
    return visitor.submit("/profile/security/passkey/", answer=answer)


def signs_in(visitor: Visitor, device: Authenticator) -> Visitor:
    """With the passkey alone, from the sign-in page."""
    answer = device.get(asked(visitor.get("/sign-in/"), "/sign-in/passkey/"))
    return visitor.submit("/sign-in/passkey/", answer=answer)


def confirms(visitor: Visitor, device: Authenticator, **more: str) -> Visitor:
    """With the passkey, on the page of the second step that is in front of us."""
    answer = device.get(asked(visitor, "/sign-in/second/passkey/"))
    return visitor.submit("/sign-in/second/passkey/", answer=answer, **more)
