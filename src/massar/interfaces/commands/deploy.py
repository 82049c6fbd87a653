"""What `massar check --deploy` judges besides: each unsafe setting with the sentence that mends it, in one table."""

import ssl
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from massar.core import clock, local_time
from massar.core.loopback import is_loopback

ERROR, WARNING = "error", "warning"
Settings = Any  # those of config/, which stands above
APPROVED = 12288 * 3  # KiB times passes, OWASP ASVS 5.0, appendix C
_VERIFIED = ("verify-full", "verify-ca")
OLDEST_OPENSSL = (3, 0)


class UnsafeSetting(NamedTuple):
    """unsafe: whether the settings are; sentence: what to do. An error makes the command end with code 1."""

    name: str
    level: str
    unsafe: Callable[[Settings], bool]
    sentence: str


def _database_in_the_clear(found: Settings) -> bool:
    parts = urlsplit(found.database_url)
    query = dict(parse_qsl(parts.query))
    host = query.get("host", parts.hostname or "")
    elsewhere = bool(host) and not host.startswith("/") and not is_loopback(host)
    return parts.scheme.startswith("postgres") and elsewhere and query.get("sslmode") not in _VERIFIED


def _in_the_clear(found: Settings, kind: str, url: str, name: str, value: str) -> bool:
    """Whether a provider of that kind is spoken to without TLS on another machine: by its URL, or by its table, where
    the setting of that name has that value."""
    parts = urlsplit(url)
    hosts = [parts.hostname or ""] if parts.scheme == kind else []
    tables = (table for table in found.providers.values() if table.get("kind") == kind and table.get(name) == value)
    hosts += [str(table.get("host", "")) for table in tables]
    return not all(map(is_loopback, hosts))


def _a_rule_is_over(found: Settings) -> bool:
    today = local_time.local(clock.now()).date()
    return any(one.last and one.last < today for one in found.second_factor_roles)


def _weaker_hash(found: Settings) -> bool:
    return bool(found.argon2.memory_kib * found.argon2.passes < APPROVED)


RULES: tuple[UnsafeSetting, ...] = (
    UnsafeSetting("mode", ERROR, lambda found: found.mode != "production",
         "MASSAR_MODE is not production: take it away, or its keys and addresses are those of a trial."),
    UnsafeSetting("plain-http", ERROR, lambda found: not found.https,
         "MASSAR_PUBLIC_URL is plain http: passwords would travel in the clear. Begin it with https://."),
    UnsafeSetting("loopback", ERROR, lambda found: is_loopback(found.host),
         "MASSAR_PUBLIC_URL names this machine: give the address that people type."),
    UnsafeSetting("secret-key", ERROR, lambda found: len(found.secret_key) < 32,
         "MASSAR_SECRET_KEY is shorter than 32 characters: make one with `massar newkeys`."),
    UnsafeSetting("one-key-twice", ERROR,
         lambda found: any(key.hex() == found.secret_key or key == found.secret_key.encode()
                           for _, key in found.data_keys),
         "MASSAR_SECRET_KEY is one of MASSAR_DATA_KEYS: make another with `massar newkeys`."),
    UnsafeSetting("hash", ERROR, _weaker_hash,
         "MASSAR_ARGON2 is weaker than the default 12288,3: take it away."),
    UnsafeSetting("help", WARNING, lambda found: not found.help_contact,
         "MASSAR_HELP_CONTACT is empty: name who helps a person that has no contact left."),
    UnsafeSetting("database-tls", ERROR, _database_in_the_clear,
         "MASSAR_DATABASE_URL leads to another machine without a verified certificate: add ?sslmode=verify-full."),
    UnsafeSetting("mail-tls", WARNING, lambda found: _in_the_clear(found, "smtp", found.email_url, "security", "plain"),
         "Mail leaves without TLS for another machine: use smtps:// or smtp+starttls://."),
    UnsafeSetting("smpp-tls", WARNING, lambda found: _in_the_clear(found, "smpp", found.sms_url, "tls", "off"),
         "SMPP leaves without TLS for another machine: use smpps://, or keep it inside a tunnel."),
    UnsafeSetting("proxies", WARNING, lambda found: found.https and not found.trusted_proxies,
         "MASSAR_TRUSTED_PROXIES is 0: behind a proxy all people seem to be of one network. Say how many stand there."),
    UnsafeSetting("security-contact", WARNING, lambda found: found.security_contact == f"mailto:security@{found.host}",
         "MASSAR_SECURITY_CONTACT is not set: see that somebody reads the address in /.well-known/security.txt."),
    UnsafeSetting("metrics", WARNING, lambda found: not found.metrics_token,
         "MASSAR_METRICS_TOKEN is empty: nothing outside hears of an alarm."),
    UnsafeSetting("operators", WARNING,
         lambda found: not {("operator", None, None), ("*", None, None)} & {*found.second_factor_roles},
         "MASSAR_SECOND_FACTOR_ROLES leaves operators with a password alone, for some days or all: add operator."),
    UnsafeSetting("factor-rules", WARNING, _a_rule_is_over,
         "MASSAR_SECOND_FACTOR_ROLES has a rule whose last day is past: give it new days, or take it out."),
    UnsafeSetting("checkpoints", WARNING, lambda found: not found.audit_checkpoints,
         "MASSAR_AUDIT_CHECKPOINTS is empty: name a folder on another machine, or nothing proves the log."),
    UnsafeSetting("openssl", WARNING, lambda _: ssl.OPENSSL_VERSION_INFO[:2] < OLDEST_OPENSSL,
         "This Python uses an OpenSSL older than 3.0, which nobody mends any more: use a newer system."),
)  # fmt: skip


def judge(found: Settings) -> list[UnsafeSetting]:
    """Return the rules that the settings break, errors first."""
    return sorted((rule for rule in RULES if rule.unsafe(found)), key=lambda rule: rule.level != ERROR)
