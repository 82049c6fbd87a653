"""The cost of one SAML answer: a Response with its Assertion, both signed, beside the two bare RSA signatures in it.

    python -m bench.saml SAMPLES

Prints CPU milliseconds of one thread as JSON, medians: `rsa` is one bare RSA-3072 signature; `answer` holds two.
"""

from __future__ import annotations

import base64
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from massar.core.saml.encode import encode_signed
from massar.core.saml.messages import Assertion, NameId, Response
from massar.core.saml.names import CLASS_PROTECTED, NAME_ID_FORMATS, SUCCESS
from massar.core.xml_signature import XmlSigner


def measure(samples: int) -> dict[str, float]:
    """Interleaved, so that a busy neighbour slows both alike."""
    signer, now = _signer(), datetime.now(UTC)
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(samples):
        bare.append(_spent(lambda: signer.sign_octets(b"x" * 500)))
        whole.append(_spent(lambda: _answer(signer, now)))
    return {"rsa": statistics.median(bare), "answer": statistics.median(whole)}


def _spent(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _answer(signer: XmlSigner, now: datetime) -> bytes:
    account, site = "https://account.example.ma/saml/metadata", "https://retraite.example.ma/saml"
    assertion = Assertion(
        name_id=NameId("s" + "x" * 21, NAME_ID_FORMATS["persistent"], account, site),
        audience=site,
        authenticated_at=now,
        session_ends_at=now + timedelta(hours=12),
        session_index="0" * 32,
        context_class=CLASS_PROTECTED,
        attributes={"email": "jamal.jalal@taalim.ma", "name": "Jamal Jalal", "school": "Lycée Ibn Khaldoun"},
    )
    response = Response("_" + "r" * 22, account, now, f"{site}/acs", "_" + "x" * 40, (SUCCESS,), assertion)
    return base64.b64encode(encode_signed(response, signer))


def _signer() -> XmlSigner:
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return XmlSigner(key, certificate.public_bytes(Encoding.PEM).decode())


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
