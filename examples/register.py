"""Registers the six sites: sites.toml is what the account must know, samples.json what the sites' makers keep.

In a ministry a person does this once for each site: `massar sites show SLUG` prints one side, docs/integrate the other.
"""

import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

SITES = {
    "taalim": ("saml", "taalim.ma"),
    "massar": ("oidc", "مسار · Massar"),
    "haraka": ("oidc", "الحركة الانتقالية · Haraka"),
    "notifrh": ("gate", "تبليغ · NotifRH"),
    "retraite": ("saml", "التقاعد النسبي · Retraite"),
    "esise": ("oidc", "eSISE v2"),
}
STAFF_ALONE = ("haraka", "notifrh", "retraite", "esise")  # who is a pupil or a guardian sees no card of these
Sides = tuple[dict[str, object], dict[str, str]]  # what the account must know, what the site keeps
SCOPES = {"massar": "openid profile email school offline_access"}


def register(folder: Path, account: str, ports: list[int]) -> Path:
    """Writes both files into the folder; returns the path of sites.toml."""
    account_side, site_side = [], {}
    for (slug, (protocol, title)), port in zip(SITES.items(), ports, strict=True):
        theirs, ours = {"oidc": _oidc, "saml": _saml, "gate": _gate}[protocol](slug, f"http://127.0.0.1:{port}")
        theirs |= {"roles": ["staff", "operator"]} if slug in STAFF_ALONE else {}
        site_side[slug] = {"protocol": protocol, "port": port, "title": title, "about": ours}
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in theirs.items())
        account_side.append(f"[sites.{slug}]\n{lines}\n")
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _write(folder / "samples.json", json.dumps({"account": account, "sites": site_side}))
    _write(folder / "sites.toml", "# Written anew at every start of the demo.\n\n" + "\n".join(account_side))
    return folder / "sites.toml"


def _oidc(slug: str, origin: str) -> Sides:
    secret = secrets.token_urlsafe(32)
    theirs: dict[str, object] = {
        "client_id": slug,
        "client_secret": f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}",
        "redirect_uris": [f"{origin}/callback"],
        "post_logout_redirect_uris": [f"{origin}/"],
        "backchannel_logout_uri": f"{origin}/logout-token",
        "home": f"{origin}/login",
    }
    scope = SCOPES.get(slug, "openid profile email school")
    return theirs, {"client_id": slug, "client_secret": secret, "scope": scope}


def _saml(slug: str, origin: str) -> Sides:
    key, certificate = _own_certificate(slug)
    entity_id = f"{origin}/metadata"
    theirs: dict[str, object] = {
        "entity_id": entity_id,
        "acs": [f"{origin}/acs"],
        "slo": f"{origin}/slo",
        "certificate": certificate,
        "signed_requests": True,
        "slo_soap": f"{origin}/slo/soap",
        "home": f"{origin}/login",
    }
    return theirs, {"entity_id": entity_id, "key": key, "certificate": certificate}


def _gate(slug: str, origin: str) -> Sides:
    return {"gate_origin": origin, "home": f"{origin}/"}, {}


def _own_certificate(slug: str) -> tuple[str, str]:
    """A new key and its self-signed certificate, PEM: SAML pins the certificate, nobody checks a chain."""
    key, now = rsa.generate_private_key(public_exponent=65537, key_size=2048), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, slug)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)  # one that stood already
    path.write_text(text, "utf-8")
