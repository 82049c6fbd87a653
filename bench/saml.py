"""The cost of one SAML answer: a Response with its Assertion, both signed, beside the two bare RSA signatures in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from massar.domain.sites import api as sites
from massar.journeys import saml_answer
from massar.journeys.saml_names import CLASS_PROTECTED, NAME_IDS


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds of one thread, medians. `rsa` is one bare RSA-3072 signature; an answer holds two."""

    rsa: float
    answer: float

    @property
    def beside(self) -> float:
        """What the answer costs over its two signatures."""
        return self.answer - 2 * self.rsa


def measure(samples: int = 200) -> Cost:
    """Interleaved, so that a busy neighbour slows both alike. Needs settings, no database."""
    signer, now = _signer(), datetime.now(UTC)
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(samples):
        bare.append(_spent(lambda: signer.key.sign(b"x" * 500, padding.PKCS1v15(), hashes.SHA256())))
        whole.append(_spent(lambda: _answer(signer, now)))
    return Cost(statistics.median(bare), statistics.median(whole))


def table(cost: Cost) -> str:
    """As it stands in docs/performance.md."""
    rows = (
        ("one bare RSA-3072 signature", cost.rsa),
        ("one answer: Response and Assertion, both signed", cost.answer),
        ("the answer over its two signatures", cost.beside),
    )
    return "\n".join(["| SAML, CPU ms | |", "|---|---:|", *(f"| {what} | {ms:.2f} |" for what, ms in rows)])


def _spent(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _answer(signer: sites.Signer, now: datetime) -> str:
    statement = saml_answer.Statement(
        name_id="s" + "x" * 21,
        name_format=NAME_IDS["persistent"],
        signed_in_at=now,
        ends_at=now + timedelta(hours=12),
        session_name="0" * 32,
        context=CLASS_PROTECTED,
        attributes={"email": "jamal.jalal@taalim.ma", "name": "Jamal Jalal", "school": "Lycée Ibn Khaldoun"},
    )
    return saml_answer.response(
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
