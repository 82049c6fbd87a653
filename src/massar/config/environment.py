"""Settings: read from the environment (or `.env`), typed, and refused at start with one clear sentence per mistake.

Decision 23: everything that is a single value is `MASSAR_…`; lists (providers, sites) will live in a TOML file.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import phonenumbers

from massar.core import phone, time_zone_data
from massar.domain.sites.registry import Registry, RegistryError, parsed
from massar.domain.sites.registry import load as load_registry

DEMO_SECRET_KEY = "demo-secret-key-for-a-loopback-address-only-0123456789"
DEMO_DATA_KEYS = "demo:" + base64.b64encode(b"demo-data-key-not-for-production"[:32]).decode()
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
MODES = ("production", "demo", "test")
_PROVIDER_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
PASSWORD_PROFILES = ("guide", "nist")
NOT_THE_GATEWAYS = {"MASSAR_SMS_URL", "MASSAR_SMS_CA_FILE", "MASSAR_SMS_PER_HOUR", "MASSAR_SMS_PER_DAY"}


class SettingsError(Exception):
    """The environment can't be used; `mistakes` holds one sentence for each thing to put right."""

    def __init__(self, mistakes: list[str]):
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Argon2Parameters:
    """Argon2id cost. OWASP ASVS 5.0 Appendix C approves (12288, 3) and (19456, 2), both with one lane."""

    memory_kib: int = 12288
    passes: int = 3


@dataclass(frozen=True)
class Settings:
    """All that an operator may decide. Durations are timedeltas, paths absolute, lists tuples."""

    mode: str
    public_url: str
    secret_key: str
    data_keys: tuple[tuple[str, bytes], ...]
    database: Mapping[str, object]
    var: Path
    email_url: str
    email_from: str
    email_ca_file: str | None
    sms_url: str
    sms_options: Mapping[str, str]
    sms_ca_file: str | None
    providers: Mapping[str, Mapping]
    institution_domains: tuple[str, ...]
    phone_countries: tuple[str, ...]
    mobile_ranges: tuple[str, ...]
    time_zone: str
    password_profile: str
    argon2: Argon2Parameters
    temporary_sms: timedelta
    temporary_email: timedelta
    contact_wait: timedelta
    contact_code: timedelta
    session_idle: timedelta
    session_longest: timedelta
    recoveries_per_hour: int
    sms_per_hour: int
    sms_per_day: int
    accounts_per_phone: int
    help_contact: str
    trusted_proxies: int
    security_contact: str
    metrics_token: str
    alarm_limits: Mapping[str, int]
    demo_store: Path | None = None
    sites: Registry = field(default_factory=lambda: Registry([]))

    @property
    def provider_channels(self) -> dict[str, str]:
        """Every configured provider by name, in the operator's order, with its channel."""
        by_address = {"mail": "email"} if self.email_url else {}
        by_address |= {"sms": "sms"} if self.sms_url else {}
        by_table = {name: "email" if table.get("kind") == "smtp" else "sms" for name, table in self.providers.items()}
        return by_address | by_table

    @property
    def demo(self) -> bool:
        return self.mode == "demo"

    @property
    def host(self) -> str:
        return urlsplit(self.public_url).hostname or ""

    @property
    def address(self) -> str:
        """What people type: the host, with its port where it has one."""
        return urlsplit(self.public_url).netloc

    @property
    def https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"


class _Reader:
    """Reads one variable at a time and collects what is wrong instead of stopping at the first mistake."""

    def __init__(self, environ: Mapping[str, str]):
        self.environ = environ
        self.mistakes: list[str] = []

    def text(self, name: str, default: str = "", *, required: str = "") -> str:
        value = self.environ.get(name, "").strip()
        if not value and required:
            self.mistakes.append(f"{name} is missing: {required}")
        return value or default

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        raw = self.text(name)
        if not raw:
            return default
        if not raw.isascii() or not raw.isdecimal() or not lowest <= int(raw) <= highest:
            self.mistakes.append(f"{name} is {raw!r}: give a whole number from {lowest} to {highest}.")
            return default
        return int(raw)

    def minutes(self, name: str, default: int, highest: int) -> timedelta:
        return timedelta(minutes=self.number(name, default, 1, highest))

    def hours(self, name: str, default: int, highest: int) -> timedelta:
        return timedelta(hours=self.number(name, default, 0, highest))

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        return tuple(w.strip().lower() for w in self.text(name, default).split(",") if w.strip())

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, choices[0])
        if value not in choices:
            self.mistakes.append(f"{name} is {value!r}: choose one of {', '.join(choices)}.")
            return choices[0]
        return value


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a `.env` file; `#` starts a comment line; quotes around a value are dropped."""
    if not path.is_file():
        return {}
    values = {}
    for line in path.read_text("utf-8").splitlines():
        name, mark, value = line.strip().partition("=")
        if mark and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingsError with every mistake that was found."""
    if environ is None:
        environ = {**read_env_file(Path(".env")), **os.environ}
    read = _Reader(environ)
    mode = read.one_of("MASSAR_MODE", MODES)
    var = Path(read.text("MASSAR_VAR", "var")).absolute()
    public_url = _public_url(read, mode)
    providers = _providers(read)
    countries = _phone_countries(read)
    settings = Settings(
        mode=mode,
        public_url=public_url,
        secret_key=_secret_key(read, mode),
        data_keys=_data_keys(read, mode),
        database=_database(read, mode, var),
        var=var,
        email_url=_provider_url(
            read, "MASSAR_EMAIL_URL", ("smtp", "smtp+starttls", "smtps"), "" if _any(providers, "smtp") else mode
        ),
        email_from=read.text("MASSAR_EMAIL_FROM", f"massar@{_split(public_url).hostname or 'localhost'}"),
        email_ca_file=_file(read, "MASSAR_EMAIL_CA_FILE"),
        sms_url=_provider_url(
            read, "MASSAR_SMS_URL", ("https", "http", "smpps", "smpp"), "" if _any(providers, "http", "smpp") else mode
        ),
        sms_options={
            k[len("MASSAR_SMS_") :].lower(): v
            for k, v in environ.items()
            if k.startswith("MASSAR_SMS_") and k not in NOT_THE_GATEWAYS
        },
        sms_ca_file=_file(read, "MASSAR_SMS_CA_FILE"),
        providers=providers,
        institution_domains=read.words("MASSAR_INSTITUTION_DOMAINS", "taalim.ma,men.gov.ma"),
        phone_countries=countries,
        mobile_ranges=_mobile_ranges(read, countries),
        time_zone=_time_zone(read),
        password_profile=read.one_of("MASSAR_PASSWORD_PROFILE", PASSWORD_PROFILES),
        argon2=_argon2(read, mode),
        temporary_sms=read.minutes("MASSAR_TEMPORARY_SMS_MINUTES", 10, 10),
        temporary_email=read.minutes("MASSAR_TEMPORARY_EMAIL_MINUTES", 60, 24 * 60),
        contact_wait=read.hours("MASSAR_CONTACT_WAIT_HOURS", 72, 24 * 30),
        contact_code=read.minutes("MASSAR_CONTACT_CODE_MINUTES", 10, 60),
        session_idle=read.minutes("MASSAR_SESSION_IDLE_MINUTES", 30, 24 * 60),
        session_longest=timedelta(hours=read.number("MASSAR_SESSION_HOURS", 12, 1, 24 * 30)),
        recoveries_per_hour=read.number("MASSAR_RECOVERIES_PER_HOUR", 3, 1, 20),
        sms_per_hour=read.number("MASSAR_SMS_PER_HOUR", 40000, 5, 10_000_000),
        sms_per_day=read.number("MASSAR_SMS_PER_DAY", 250000, 5, 100_000_000),
        accounts_per_phone=read.number("MASSAR_ACCOUNTS_PER_PHONE", 10, 1, 100),
        help_contact=_help_contact(read, mode),
        trusted_proxies=read.number("MASSAR_TRUSTED_PROXIES", 0, 0, 10),
        security_contact=_security_contact(read, public_url),
        metrics_token=_metrics_token(read),
        alarm_limits=_alarm_limits(read),
        demo_store=var / "demo-inbox.sqlite3" if mode == "demo" else None,
        sites=_sites(read),
    )
    if read.mistakes:
        raise SettingsError(read.mistakes)
    return settings


def _public_url(read: _Reader, mode: str) -> str:
    default = "" if mode == "production" else "http://localhost:8000"
    url = read.text(
        "MASSAR_PUBLIC_URL",
        default,
        required="" if default else "give the address people type, as https://compte.example.ma",
    ).rstrip("/")
    parts = _split(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query):
        read.mistakes.append(f"MASSAR_PUBLIC_URL is {url!r}: give scheme and host only, as https://compte.example.ma.")
    elif url and mode == "production" and parts.scheme != "https":
        read.mistakes.append(
            "MASSAR_PUBLIC_URL must begin with https:// in production: passwords never travel in the clear."
        )
    elif url and mode == "demo" and parts.hostname not in LOOPBACK_HOSTS:
        read.mistakes.append(
            "The demo (with its on-screen phone) only runs on localhost: set MASSAR_MODE=production for a real address."
        )
    return url


def _secret_key(read: _Reader, mode: str) -> str:
    if mode != "production":
        return read.text("MASSAR_SECRET_KEY", DEMO_SECRET_KEY)
    key = read.text("MASSAR_SECRET_KEY", required="make one with `massar newkeys` and keep it out of the database.")
    if key == DEMO_SECRET_KEY:
        read.mistakes.append(
            "MASSAR_SECRET_KEY is the demo's key, which everybody knows: make your own with `massar newkeys`."
        )
    elif key and len(key) < 32:
        read.mistakes.append("MASSAR_SECRET_KEY is too short: at least 32 characters; `massar newkeys` makes one.")
    return key


def _data_keys(read: _Reader, mode: str) -> tuple[tuple[str, bytes], ...]:
    """`id:base64,id:base64`, newest first: the first encrypts, all decrypt. 32 bytes each (AES-256)."""
    default = DEMO_DATA_KEYS if mode != "production" else ""
    raw = read.text(
        "MASSAR_DATA_KEYS",
        default,
        required="" if default else "make one with `massar newkeys` and keep it apart from the database.",
    )
    if mode == "production" and DEMO_DATA_KEYS in raw:
        read.mistakes.append(
            "MASSAR_DATA_KEYS holds the demo's key, which everybody knows: make your own with `massar newkeys`."
        )
    keys = []
    for part in filter(None, (p.strip() for p in raw.split(","))):
        name, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != 32 or not name.isalnum() or len(name) > 16:
            read.mistakes.append(
                f"MASSAR_DATA_KEYS: the entry {name[:16]!r} must read name:key, the key being 32 bytes in base64."
            )
        elif name in dict(keys):
            read.mistakes.append(
                f"MASSAR_DATA_KEYS: the name {name!r} stands twice; every key needs a name of its own."
            )
        else:
            keys.append((name, key))
    return tuple(keys)


def _database(read: _Reader, mode: str, var: Path) -> dict[str, object]:
    """Django's description of the database, from `sqlite:///path` or `postgres://user:password@host:port/name`."""
    default = f"sqlite:///{var / 'massar.sqlite3'}"
    url = read.text("MASSAR_DATABASE_URL", default)
    parts = _split(url)
    if parts.scheme == "sqlite":
        # As everywhere: sqlite:///relative/path, sqlite:////absolute/path.
        return _sqlite(Path(unquote(parts.path[1:])).absolute())
    if parts.scheme in ("postgres", "postgresql") and parts.path.strip("/"):
        return _postgres(read, parts)
    read.mistakes.append(
        f"MASSAR_DATABASE_URL is {_without_password(url)!r}: "
        "give sqlite:///path/to/file or postgres://user:password@host:5432/name."
    )
    return _sqlite(Path("unused"))


def _sqlite(path: Path) -> dict[str, object]:
    # IMMEDIATE: a transaction that reads and then writes would otherwise die with "database is locked".
    return {
        "ENGINE": "massar.core.sqlite",
        "NAME": str(path),
        # Kept open for the life of its thread: the last one to close folds the write-ahead log into the file, which
        # cost every request 13 ms of waiting and 2.5 ms of work (docs/performance.md).
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
        },
    }


def _postgres(read: _Reader, parts) -> dict[str, object]:
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "massar.core.postgres",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or query.pop("port", "") or ""),
        "OPTIONS": {
            "pool": {
                "min_size": 2,
                "max_size": read.number("MASSAR_DATABASE_POOL", 28, 2, 500),
                "timeout": 10,
            },
            # Values apart from statements, plans kept on the connection (docs/adr/0019-direct-views.md).
            "server_side_binding": True,
            "prepare_threshold": 5,
            # A machine or a firewall that drops packets without a word is noticed (docs/adr/0038).
            "connect_timeout": 3,
            "tcp_user_timeout": 5000,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **query,
        },
    }


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:@/]*):.*@", r"\1:***@", url)


def _split(url: str) -> SplitResult:
    """As urlsplit. What it can't read (a port that is no number, a bracket) is refused like an empty address."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else urlsplit("")
    except ValueError:
        return urlsplit("")


def _provider_url(read: _Reader, name: str, schemes: tuple[str, ...], mode: str) -> str:
    """The address of a provider. Its own parser judges the rest (`massar check`)."""
    url = read.text(name, required="say where to hand over, or people get no message." if mode == "production" else "")
    parts = _split(url)
    if url and (parts.scheme not in schemes or not parts.hostname):
        read.mistakes.append(
            f"{name} is {_without_password(url)!r}: it must begin with {' or '.join(s + '://' for s in schemes)} and name a host."
        )
    elif parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        read.mistakes.append(f"{name}: plain http is accepted on this machine only; use https://{parts.hostname}.")
    return url


def _file(read: _Reader, name: str) -> str | None:
    path = read.text(name)
    if path and not Path(path).is_file():
        read.mistakes.append(f"{name}: there is no file {path}.")
    return path or None


def _argon2(read: _Reader, mode: str) -> Argon2Parameters:
    """`memory KiB,passes`. Outside tests nothing below the approved sets is accepted (OWASP ASVS 5.0, App. C)."""
    raw = read.text("MASSAR_ARGON2", "12288,3")
    try:
        memory, passes = (int(p) for p in raw.split(",")[:2])
    except ValueError:
        read.mistakes.append(f"MASSAR_ARGON2 is {raw!r}: give memory in KiB and passes, as 12288,3.")
        return Argon2Parameters()
    floor = {1: 47104, 2: 19456, 3: 12288, 4: 9216}.get(passes, 7168 if passes >= 5 else 1 << 30)
    if mode != "test" and memory < floor:
        read.mistakes.append(
            f"MASSAR_ARGON2 is {raw!r}: {passes} passes need at least {floor} KiB (OWASP ASVS 5.0, appendix C)."
        )
    return Argon2Parameters(memory, passes)


def _phone_countries(read: _Reader) -> tuple[str, ...]:
    countries = tuple(c.upper() for c in read.words("MASSAR_PHONE_COUNTRIES", "MA"))
    for unknown in set(countries) - phonenumbers.SUPPORTED_REGIONS:
        read.mistakes.append(f"MASSAR_PHONE_COUNTRIES: {unknown!r} is no country; give ISO codes, as MA,FR.")
    if not countries:
        read.mistakes.append("MASSAR_PHONE_COUNTRIES names no country; give ISO codes, as MA,FR.")
    for one in sorted(set(countries) & phonenumbers.SUPPORTED_REGIONS):
        other = phone.counts_as(one)
        if other != one:
            instead = f"they count as {other}: give {other} instead" if other else "leave it out"
            read.mistakes.append(f"MASSAR_PHONE_COUNTRIES: no mobile number is ever {one}'s; {instead}.")
    return countries


def _mobile_ranges(read: _Reader, countries: tuple[str, ...]) -> tuple[str, ...]:
    """Beginnings of mobile numbers that the locked table of libphonenumber does not know yet, in E.164 form."""
    ranges = []
    for typed in read.words("MASSAR_MOBILE_RANGES"):
        try:
            ranges.append(phone.mobile_range(typed, countries))
        except ValueError as refused:
            read.mistakes.append(f"MASSAR_MOBILE_RANGES: {typed!r} {refused}.")
    return tuple(ranges)


def _time_zone(read: _Reader) -> str:
    key = read.text("MASSAR_TIME_ZONE", "Africa/Casablanca")
    try:
        time_zone_data.newest(key).zone(key)
    except time_zone_data.UnknownZone:
        read.mistakes.append(f"MASSAR_TIME_ZONE is {key!r}: give a name of the IANA table, as Africa/Casablanca.")
    return key


def _providers(read: _Reader) -> Mapping[str, Mapping]:
    """The tables `[providers.NAME]` of the file MASSAR_CONFIG, as they are; each provider judges its own (`massar check`)."""
    path = read.text("MASSAR_CONFIG")
    try:
        providers = parsed(path).get("providers", {}) if path else {}
    except RegistryError:
        return {}  # the registry of sites, in the same file, says so
    if not isinstance(providers, Mapping) or not all(isinstance(one, Mapping) for one in providers.values()):
        read.mistakes.append("MASSAR_CONFIG: give each provider a table, as [providers.gateway].")
        return {}
    for name in (name for name in providers if not _PROVIDER_NAME.fullmatch(name)):
        read.mistakes.append(
            f"MASSAR_CONFIG: {name!r} is no name for a provider: small letters, digits and -, 40 at most."
        )
    return providers


def _any(providers: Mapping[str, Mapping], *kinds: str) -> bool:
    return any(table.get("kind") in kinds for table in providers.values())


def _sites(read: _Reader) -> Registry:
    """The registered sites: the six of the guide, with the file MASSAR_CONFIG over them."""
    try:
        return load_registry(read.text("MASSAR_CONFIG") or None, read.environ)
    except RegistryError as refused:
        read.mistakes += [f"MASSAR_CONFIG: {mistake}" for mistake in refused.mistakes]
        return Registry([])


def _security_contact(read: _Reader, public_url: str) -> str:
    """Who hears of a hole, as a URI (RFC 9116 §2.5.3). By default the mailbox that RFC 2142 §4 names for it."""
    given = read.text("MASSAR_SECURITY_CONTACT")
    if given and not re.fullmatch(r"(mailto:[^@\s]+@[^@\s]+|https://\S+|tel:\+[0-9-]+)", given):
        read.mistakes.append(
            f"MASSAR_SECURITY_CONTACT is {given!r}: give mailto:, https:// or tel:+, as mailto:security@example.ma."
        )
    return given or f"mailto:security@{_split(public_url).hostname or 'localhost'}"


def _metrics_token(read: _Reader) -> str:
    token = read.text("MASSAR_METRICS_TOKEN")
    if token and (len(token) < 24 or not token.isascii() or not token.isprintable() or " " in token):
        read.mistakes.append("MASSAR_METRICS_TOKEN must be at least 24 ASCII characters without spaces.")
    return token


def _alarm_limits(read: _Reader) -> dict[str, int]:
    """`id=number,id=number`. Which ids there are is the alarms' own knowledge (`massar check` asks it)."""
    limits = {}
    for word in filter(None, (w.strip() for w in read.text("MASSAR_ALARMS").split(","))):
        name, _, number = word.partition("=")
        if number.isascii() and number.isdecimal():
            limits[name.strip()] = int(number)
        else:
            read.mistakes.append(f"MASSAR_ALARMS: {word!r} must read name=number, as queue-growing=120.")
    return limits


def _help_contact(read: _Reader, mode: str) -> str:
    if mode == "production":
        return read.text(
            "MASSAR_HELP_CONTACT",
            required="name the telephone or office that helps a person who has no contact left.",
        )
    return read.text("MASSAR_HELP_CONTACT", "0800 00 11 22")
