"""The cost of one SAML answer: a Response with its Assertion, both signed, beside the two bare RSA signatures in it.

    python -m bench.saml SAMPLES        (with the settings of the place in the environment)

Prints CPU milliseconds of one thread as JSON, medians: `rsa` is one bare RSA-3072 signature, of which `answer` holds two.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import django
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
django.setup()

from massar.domain.sites import api as sites  # noqa: E402
from massar.journeys.sso.saml import response  # noqa: E402
from massar.journeys.sso.saml.names import CLASS_PROTECTED, NAME_IDS  # noqa: E402


def measure(samples: int) -> dict[str, float]:
    """Interleaved, so that a busy neighbour slows both alike. Needs settings, no database."""
    signer, now = _signer(), datetime.now(UTC)
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(samples):
        bare.append(_spent(lambda: signer.key.sign(b"x" * 500, padding.PKCS1v15(), hashes.SHA256())))
        whole.append(_spent(lambda: _answer(signer, now)))
    return {"rsa": statistics.median(bare), "answer": statistics.median(whole)}


def _spent(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _answer(signer: sites.Signer, now: datetime) -> str:
    statement = response.Statement(
        name_id="s" + "x" * 21,
        name_format=NAME_IDS["persistent"],
        signed_in_at=now,
        ends_at=now + timedelta(hours=12),
        session_name="0" * 32,
        context=CLASS_PROTECTED,
        attributes={"email": "jamal.jalal@taalim.ma", "name": "Jamal Jalal", "school": "Lycée Ibn Khaldoun"},
    )
    return response.response(
        acs="https://retraite.example.ma/acs",
        audience="https://retraite.example.ma/saml",
        in_response_to="_" + "x" * 40,
        statement=statement,
        signer=signer,
        now=now,
    )


def _signer() -> sites.Signer:
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
    return sites.Signer("bench", "SAML", key, certificate.public_bytes(Encoding.PEM).decode())


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
