"""The only place that draws at random: by `secrets`, the operating system's CSPRNG (OWASP ASVS 5.0 11.5.1)."""

import secrets
from collections.abc import Sequence

TEMPORARY_LETTERS = "bcdfghjkmnpqrstvwxz"  # no vowels (no words), no l and y (look-alikes)
TEMPORARY_DIGITS = "23456789"
_OF_FIVE_BITS = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in range(256))


def token() -> str:
    """256 random bits as 43 URL-safe characters, for cookies and form tokens."""
    return secrets.token_urlsafe(32)


def short_token() -> str:
    """105 random bits as 21 lower-case letters and digits, for names of rows, leases and messages."""
    return secrets.token_bytes(21).translate(_OF_FIVE_BITS).decode()


def contact_code() -> str:
    """Six digits (NIST SP 800-63B-4 §4.2.1.2), leading zeros allowed."""
    return f"{secrets.randbelow(1_000_000):06d}"


def is_contact_code(text: str) -> bool:
    """Whether a cleaned text (`text.code`) has the shape of one."""
    return len(text) == 6 and text.isascii() and text.isdecimal()


def temporary_password() -> str:
    """`kdmwt47392`: five letters and five digits, 36.2 bits, in canonical form (without the hyphen)."""
    letters = "".join(secrets.choice(TEMPORARY_LETTERS) for _ in range(5))
    return letters + "".join(secrets.choice(TEMPORARY_DIGITS) for _ in range(5))


def show_temporary_password(canonical: str) -> str:
    """The form people read and type: `kdmwt-47392`."""
    return f"{canonical[:5]}-{canonical[5:]}"


def backup_code() -> str:
    """Twelve digits, 39.9 bits (NIST SP 800-63B-4 §3.1.2 asks for six digits at least), leading zeros allowed."""
    return f"{secrets.randbelow(10**12):012d}"


def app_key() -> bytes:
    """160 bits, which RFC 4226 §4 (R6) recommends for the key of an app that shows codes."""
    return secrets.token_bytes(20)


def pick(words: Sequence[str], count: int) -> list[str]:
    """So many of these words; one may come twice."""
    return [secrets.choice(words) for _ in range(count)]


def between(least: int, most: int) -> int:
    """A whole number, both ends included."""
    return least + secrets.randbelow(most - least + 1)


def key_bytes() -> bytes:
    return secrets.token_bytes(32)


def salt() -> bytes:
    """Of a password hash: 128 bits (RFC 9106 §3.1)."""
    return secrets.token_bytes(16)


def nonce() -> bytes:
    """A 96-bit nonce for AES-GCM (NIST SP 800-38D §8.2.2)."""
    return secrets.token_bytes(12)


def jitter(seconds: float) -> float:
    """Between half of `seconds` and all of it, so that what failed together does not come back together."""
    return seconds * (0.5 + secrets.randbelow(1 << 20) / (1 << 21))
