"""The settings of this process: variables `MASSAR_…` of the environment or `.env`, and the file named by MASSAR_CONFIG.

Decision 23: what is a single value is a variable; lists (providers, sites) are tables of that file."""

import base64
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import phonenumbers
from pydantic import AfterValidator, Field, PlainValidator

from massar.core import local_time, phone, settings
from massar.core.loopback import is_loopback
from massar.core.settings import (
    OFTEN_EMPTY,
    OWN,
    Duration,
    Expected,
    Line,
    Named,
    Required,
    SettingsError,
    Table,
    Verbatim,
)
from massar.domain.factors import required
from massar.domain.sites import registry
from massar.providers import NAME

DEMO_SECRET_KEY = "demo-secret-key-for-a-loopback-address-only-0123456789"
DEMO_DATA_KEYS = "demo:" + base64.b64encode(b"demo-data-key-not-for-production"[:32]).decode()
DEMO_AUDIT_KEY = base64.b64encode(b"demo-audit-key-not-for-productio"[:32]).decode()
# What is required in production has a value for trying things out.
ELSEWHERE = {
    "MASSAR_PUBLIC_URL": "http://localhost:8000", "MASSAR_SECRET_KEY": DEMO_SECRET_KEY,
    "MASSAR_DATA_KEYS": DEMO_DATA_KEYS, "MASSAR_AUDIT_KEY": DEMO_AUDIT_KEY, "MASSAR_HELP_CONTACT": "0800 00 11 22",
    "MASSAR_SECOND_FACTOR_ROLES": "",
}  # fmt: skip
FIRST = {"MASSAR_MODE", "MASSAR_CONFIG"}  # the others depend on them
URLS = {"MASSAR_EMAIL_URL": {"smtp"}, "MASSAR_SMS_URL": {"http", "smpp"}}  # and the kinds of tables that stand for them
TABLES = ("sites", "providers")  # what may stand in the file
_NEEDS_KIB = {1: 47104, 2: 19456, 3: 12288, 4: 9216}  # by passes, OWASP ASVS 5.0, appendix C


class Argon2Parameters(NamedTuple):
    """Argon2id cost. OWASP ASVS 5.0 Appendix C approves (12288, 3) and (19456, 2), both with one lane."""

    memory_kib: int = 12288
    passes: int = 3


APPROVED = Argon2Parameters()


# One setting: each function takes what was read and raises ValueError with the rest of the sentence.
def _public_url(url: str) -> str:
    parts = _split(url)
    if parts.scheme not in ("http", "https") or parts.netloc != url.rstrip("/").partition("://")[2] or parts.username:
        raise ValueError("must be scheme and host only, as https://compte.example.ma")
    return url.rstrip("/")


def _data_keys(entries: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """`name:base64`, 32 bytes each (AES-256). Which one encrypts the database says; in a new one, the first."""
    keys: dict[str, bytes] = {}
    for number, part in enumerate((word for entry in entries for word in _words(entry)), 1):
        name, _, encoded = part.partition(":")
        named = name.isalnum() and name.isascii() and len(name) <= 16
        key = _data_key(name, encoded) if named else b""
        if len(key) != 32:
            raise ValueError(f"entry {number} must read name:key, the key being 32 bytes in base64")
        if name in keys:
            raise ValueError(f"holds the name {name!r} twice: every key needs a name of its own")
        keys[name] = key
    if not keys:
        raise ValueError("holds no key: make one with `massar newkeys`")
    return tuple(keys.items())


def _words(entry: str) -> list[str]:
    """A file may hold several entries, one a line or with commas between."""
    return entry.replace(",", " ").split() if isinstance(entry, Verbatim) else [entry]


def _data_key(name: str, encoded: str) -> bytes:
    """b'' for what is no key."""
    if encoded.startswith("pkcs11:"):
        try:
            token_keys = import_module("massar.config.token_keys")
        except ImportError:
            wish = "install what requirements/pkcs11.txt lists"
            raise ValueError(f"names a token for {name}, and python-pkcs11 is not here: {wish}") from None
        derived: bytes = token_keys.derive(name, encoded)
        return derived
    return _base64(encoded)


def _base64(text: str) -> bytes:
    """b'' for what is none."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _audit_key(text: str) -> bytes:
    """The seed of an Ed25519 key (RFC 8032)."""
    key = _base64(text)
    if len(key) != 32:
        raise ValueError("must be 32 bytes in base64: make one with `massar newkeys`")
    return key


def _syslog(url: str) -> str:
    parts = _split(url)
    if url and (parts.scheme not in ("udp", "tcp", "tls") or not parts.hostname or parts.path.strip("/")):
        raise ValueError("must read udp://host:port, tcp://host:port or tls://host:port")
    return url


def _provider_url(*schemes: str) -> AfterValidator:
    """The address of a provider. The provider itself judges the rest (`massar check`)."""
    begin = " or ".join(f"{scheme}://" for scheme in schemes)

    def judge(url: str) -> str:
        parts = _split(url)
        if url and (parts.scheme not in schemes or not parts.hostname):
            raise ValueError(f"must begin with {begin} and name a host")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            instead = f"plain http is accepted on this machine only, use https://{parts.hostname}"
            raise ValueError(f"names another machine: {instead}")
        return url

    return AfterValidator(judge)


def _file(text: str) -> Path | None:
    path = Path(text) if text else None
    try:
        there = path is None or path.is_file()
    except (OSError, ValueError):  # the name is too long, or holds a NUL
        there = False
    if not there:
        raise ValueError(f"names {text!r}: there is no file of that name")
    return path


def _folder(text: str) -> Path:
    if not text.isprintable():
        raise ValueError("must be a path without control characters")
    return Path(text).absolute()


def _argon2(text: str) -> Argon2Parameters:
    found = re.fullmatch(r"([1-9][0-9]{0,7})\s*,\s*([1-9][0-9]{0,3})", text, re.ASCII)
    if not found:
        raise ValueError(f"is {text[:40]!r}: give memory in KiB and passes, as 12288,3")
    return Argon2Parameters(int(found[1]), int(found[2]))


def _phone_countries(words: tuple[str, ...]) -> tuple[str, ...]:
    countries = tuple(word.upper() for word in words)
    if not countries:
        raise ValueError("names no country: give ISO codes, as MA,FR")
    for one in countries:
        if one not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"holds {one!r}, which is no country: give ISO codes, as MA,FR")
        other = phone.counts_as(one)
        if other != one:
            instead = f"they count as {other}: give {other} instead" if other else "leave it out"
            raise ValueError(f"holds {one}, but no mobile number is ever {one}'s; {instead}")
    return countries


def _time_zone(key: str) -> str:
    try:
        local_time.newest(key).zone(key)
    except (ValueError, OSError):  # the latter: a name too long for a file
        raise ValueError(f"is {key[:60]!r}: give a name of the IANA table, as Africa/Casablanca") from None
    return key


def _alarm_limits(text: str) -> dict[str, int]:
    """`id=number,id=number`. Which ids there are is the alarms' own knowledge (`massar check` asks it)."""
    return _numbers(text, "queue-growing=120")


def _numbers(text: str, example: str) -> dict[str, int]:
    numbers = {}
    for word in filter(None, (w.strip() for w in text.split(","))):
        found = re.fullmatch(r"([^=]*)=\s*([0-9]{1,9})", word, re.ASCII)
        if not found:
            raise ValueError(f"holds {word[:60]!r}: it must read name=number, as {example}")
        numbers[found[1].strip()] = int(found[2])
    return numbers


def _keep_days(text: str) -> dict[str, int]:
    """`name=days,name=days`. Which names there are is the table's own knowledge (`massar check` asks it)."""
    found = _numbers(text, "sessions=30")
    if long := next((name for name, days in found.items() if days > 3650), ""):
        raise ValueError(f"keeps {long[:40]} for longer than ten years: give days, as messages=30")
    return found


_JSON = Expected('a JSON object, as {"Authorization": "Bearer ..."}')
_CaFile = Annotated[Path | None, PlainValidator(_file), Expected("a path")]
_Database = AfterValidator(lambda url: database(url, 2) and url)  # refused where nothing can be made of it
_Lower = AfterValidator(lambda words: tuple(word.lower() for word in words))
_SecurityContact = settings.shape(
    r"|mailto:[^@\s]+@[^@\s]+|https://\S+|tel:\+[0-9-]+",
    "is {!r}: give mailto:, https:// or tel:+, as mailto:security@example.ma",
)
_MetricsToken = settings.shape(r"|[!-~]{24,}", "must be at least 24 ASCII characters without spaces")
_TYPED = Required("give the address people type, as https://compte.example.ma")
_TO_HAND_OVER = Required("say where to hand over, or people get no message")


@dataclass(frozen=True, repr=False)
class Settings(Table):
    """All that an operator may decide. What is required has its value from `load`, or is told."""

    VARIABLES = "MASSAR_"

    mode: Literal["production", "demo", "test"] = "production"
    """`massar demo` sets `demo` by itself; it works on localhost only"""
    public_url: Annotated[str, PlainValidator(_public_url), _TYPED] = ""
    """the address people type, scheme and host only. Begins with `https://` in production. Passkeys are made for its
    host: under another one they are worth nothing, and an IP address has none"""
    secret_key: Annotated[Line, Required("make one with `massar newkeys` and keep it out of the database")] = ""
    """at least 32 characters. Signs what browsers hold: device cookies, forms, cancel links"""
    data_keys: Annotated[
        tuple[tuple[str, bytes], ...],
        PlainValidator(_data_keys),
        Expected("`name:key`, with commas between"),
        Required("make one with `massar newkeys` and keep it apart from the database"),
    ] = ()
    """`name:key,name:key`; a key is 32 bytes in base64, or the `pkcs11:` URI of one in a token; an entry `file:PATH`
    stands for those in that file. All decrypt, one encrypts: in a new database the first, later the one that `massar
    keys activate` named: [changing keys](keys.md)"""
    database_url: Annotated[Line, _Database] = ""
    """`sqlite:///relative/path`, `sqlite:////absolute/path` or `postgres://user:password@host:5432/name`; what stands
    after `?` goes to libpq, as `sslmode=verify-full`. Without it `massar.sqlite3` in `MASSAR_VAR`"""
    database_pool: Annotated[int, Field(ge=2, le=500)] = 28
    """PostgreSQL only: most connections of one process. Statements are prepared: a pooler of your own in transaction
    mode has to know that (PgBouncer 1.22 or later with `max_prepared_statements`)"""
    var: Annotated[Path, PlainValidator(_folder), Expected("a path")] = Path("var")
    """folder for the SQLite file and the prepared styles and scripts. Made with mode 0700; the file is made 0600,
    `massar migrate` shuts one that stood open, `massar check` names one"""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """how many reverse proxies of yours stand in front. Only then are `X-Forwarded-For` and `X-Forwarded-Proto`
    believed, counted from the near end"""
    config: Line = ""
    """TOML file with the connected sites, over the six that come with the product: [the sites file](sites.md); and with
    the providers that deliver messages"""
    help_contact: Annotated[Line, Required("name the telephone or office that helps whoever has no contact left")] = ""
    """telephone or office that helps a person who has no contact left; every page of recovery names it"""
    time_zone: Annotated[Line, AfterValidator(_time_zone)] = "Africa/Casablanca"
    """the zone that pages, letters and commands tell times in (a name of the IANA table). Of the system's table and the
    one that was installed with the product the newer holds; `massar check` names it and warns when it is old"""
    security_contact: Annotated[str, _SecurityContact] = ""
    """whom to tell of a security hole, in `/.well-known/security.txt` (RFC 9116): `mailto:`, `https://` or `tel:+`.
    Without it `mailto:security@` and the public host"""
    metrics_token: Annotated[str, _MetricsToken] = ""
    """what Prometheus brings as a bearer token to read `/metrics`, at least 24 characters. Without it there is no such
    page"""
    alarm_limits: Annotated[
        Mapping[str, int],
        PlainValidator(_alarm_limits),
        Expected("`name=number`, with commas between"),
        Named("MASSAR_ALARMS"),
    ] = field(default_factory=dict)
    """other limits for [alarms](messages.md#seeing), as `queue-growing=120,expired=20`"""
    keep_days: Annotated[
        Mapping[str, int], PlainValidator(_keep_days), Expected("`name=days`, with commas between")
    ] = field(default_factory=dict)
    """for how many days after its end something stays, where it is not [the default](personal-data.md), as
    `sessions=30,messages=14`"""
    email_url: Annotated[Line, _provider_url("smtp", "smtp+starttls", "smtps"), _TO_HAND_OVER] = ""
    """`smtp://`, `smtp+starttls://` or `smtps://` with `user:password@host:port`, percent-encoded; ports 25, 587, 465
    by default. A password travels over TLS only; `smtp://` is for a relay on this machine or in a network you trust.
    After `?`: `hello`, `connections`, `bounces`, `connect_timeout`, `answer_timeout`, `total_timeout`, `ca_file`, [as
    in a table](#mail-smtp). Not required where the file `MASSAR_CONFIG` names a mail server"""
    email_from: Line = ""
    """bare address that mail comes from. Without it `massar@` and the public host"""
    email_ca_file: _CaFile = None
    """PEM file with the authorities that may have signed the mail server's certificate; without it the system's"""
    sms_url: Annotated[Line, _provider_url("https", "http", "smpps", "smpp"), _TO_HAND_OVER] = ""
    """where SMS are posted as JSON: `https://`, or `http://` on this machine; or an SMSC: `smpps://`, or `smpp://` on
    this machine, [with its settings](smpp.md). Not required where the file `MASSAR_CONFIG` names one"""
    sms_ca_file: _CaFile = None
    """PEM file with the authorities that may have signed the gateway's certificate; without it the system's"""
    sms_headers: Annotated[dict[str, str], _JSON] = field(default_factory=dict)
    """JSON object of request headers; the gateway's key goes here"""
    sms_extra: Annotated[dict[str, Any], _JSON] = field(default_factory=dict)
    """JSON object with fields that every request carries"""
    sms_to_field: Annotated[Line, OFTEN_EMPTY] = "to"
    """name of the field for the number; a dot goes one object deeper, as `message.to`"""
    sms_text_field: Annotated[Line, OFTEN_EMPTY] = "text"
    """name of the field for the text"""
    sms_sender_field: Annotated[Line, OFTEN_EMPTY] = "from"
    """name of the field for the sender; empty leaves it out"""
    sms_sender: Line = "MASSAR"
    """the sender shown on the phone"""
    sms_validity_field: Line = ""
    """name of the field for the seconds after which the gateway may drop the message"""
    sms_reference_field: Annotated[Line, OFTEN_EMPTY] = "id"
    """where the gateway's own id stands in its answer, as `messages.0.id`"""
    sms_per_hour: Annotated[int, Field(ge=5, le=10_000_000)] = 40_000
    """SMS of the whole installation, in segments: so many at once, then one more every hour ÷ this number. A fifth is
    kept for recovery: [budgets](budgets.md)"""
    sms_per_day: Annotated[int, Field(ge=5, le=100_000_000)] = 250_000
    """the same for a day"""
    institution_domains: Annotated[tuple[str, ...], _Lower] = ("taalim.ma", "men.gov.ma")
    """domains of user names. An address there, or below, is no recovery address: that mailbox opens with the lost
    password"""
    phone_countries: Annotated[tuple[str, ...], AfterValidator(_phone_countries)] = ("MA",)
    """ISO codes of the countries whose mobile numbers are accepted; the first is meant when no country code is typed. A
    country none of whose mobile numbers count as its own is refused: those of Western Sahara (`EH`) are `MA`"""
    mobile_ranges: tuple[str, ...] = ()
    """beginnings of mobile numbers that the regulator has assigned since this release, as `0683,0729`: accepted until
    the table of the next release knows them. Fixed lines, premium numbers and less than three digits are refused"""
    accounts_per_phone: Annotated[int, Field(ge=1, le=100)] = 10
    """accounts that may share one phone"""
    password_profile: Literal["guide", "nist"] = "guide"
    """`guide`: 12 characters with letter, digit and symbol; `nist`: 15 characters of any kind. Both are lists in
    `src/massar/domain/policy/profiles.toml`"""
    pupil_password_profile: Literal["pupil", "guide", "nist"] = "pupil"
    """the same for pupils; `pupil`: 10 characters of any kind, which three words and a number have"""
    argon2: Annotated[Argon2Parameters, PlainValidator(_argon2), Expected("two whole numbers, as `12288,3`")] = APPROVED
    """cost of a password hash: memory in KiB and passes, one lane. Nothing below OWASP ASVS 5.0, appendix C, is
    accepted. Raised later, each password is hashed anew at its next sign-in"""
    temporary_sms: Annotated[timedelta, Duration("minutes", 1, 10)] = timedelta(minutes=10)
    """life of a temporary password sent by SMS, from just before the first attempt to send it"""
    temporary_email: Annotated[timedelta, Duration("minutes", 1, 24 * 60)] = timedelta(minutes=60)
    """the same by e-mail. `10` meets ASVS 6.5.5 to the letter"""
    slip: Annotated[timedelta, Duration("days", 1, 400)] = timedelta(days=90)
    """life of a slip that is printed for a person who has no password yet: [slips](slips.md)"""
    contact_code: Annotated[timedelta, Duration("minutes", 1, 60)] = timedelta(minutes=10)
    """life of the six-digit code that proves a contact"""
    contact_wait: Annotated[timedelta, Duration("hours", 0, 24 * 30)] = timedelta(hours=72)
    """how long a further contact, a change or a removal waits before it counts, and how long contacts are closed after
    a recovery"""
    session_idle: Annotated[timedelta, Duration("minutes", 1, 24 * 60)] = timedelta(minutes=30)
    """a session ends when nothing was done for so long"""
    session_longest: Annotated[timedelta, Duration("hours", 1, 24 * 30), Named("MASSAR_SESSION_HOURS")] = timedelta(
        hours=12
    )
    """a session ends after so long in any case"""
    second_factor_roles: Annotated[
        tuple[required.Requirement, ...],
        PlainValidator(required.read),
        Expected("roles with commas between, each with days or without, as `operator,staff:2027-06-01..2027-07-15`"),
        OFTEN_EMPTY,
    ] = (required.Requirement("operator"),)
    """roles that must have a second factor: always (`operator`), in a season (`staff:2027-06-01..2027-07-15`) or from a
    day on (`director:2027-09-01..`), before which they are invited; `*` is every role. Empty: nobody must. Who must and
    has none sets one up before anything opens; who must is asked at every sign-in, and a session without one ends"""
    second_factor_remember: Annotated[timedelta, Duration("days", 0, 90)] = timedelta(days=30)
    """how long a device on which a person wishes so is not asked for the second factor; 0: never. It counts for our own
    pages alone: a site that asks for two factors gets two"""
    second_factor_lost: Annotated[timedelta, Duration("hours", 1, 24 * 30)] = timedelta(hours=72)
    """how long somebody who has lost every second factor waits, while all contacts are told and can stop it"""
    recoveries_per_hour: Annotated[int, Field(ge=1, le=20)] = 3
    """recoveries an hour for the same user name and contact; the pages say it"""
    audit_key: Annotated[
        bytes,
        PlainValidator(_audit_key),
        Expected("32 bytes in base64"),
        Required("make one with `massar newkeys` and keep it apart from the database"),
    ] = b""
    """signs the [audit log](audit.md)'s checkpoints (Ed25519, 32 bytes in base64). Whoever verifies needs the public
    key alone, which `massar audit key` prints"""
    audit_checkpoints: Annotated[Path | None, PlainValidator(_folder), Expected("a path")] = None
    """folder for the signed checkpoints, best on another disk, copied to another machine. Without it `audit` in
    `MASSAR_VAR`"""
    audit_refused: Annotated[timedelta, Duration("days", 30, 3660)] = timedelta(days=90)
    """how long refusals stay in the audit log, after their month"""
    audit_kept: Annotated[timedelta, Duration("days", 400, 36600)] = timedelta(days=1826)
    """how long everything else stays, after its month"""
    audit_syslog: Annotated[Line, AfterValidator(_syslog)] = ""
    """`udp://host:port`, `tcp://host:port` or `tls://host:port` (ports 514, 601, 6514 by default): where a worker sends
    every row of the audit log (RFC 5424)"""
    audit_syslog_ca_file: _CaFile = None
    """PEM file with the authorities that may have signed that receiver's certificate; without it the system's"""
    # What is no variable: made of the file MASSAR_CONFIG, and where `env:` looks.
    providers: Annotated[Mapping[str, Mapping[str, Any]], OWN] = field(default_factory=dict)
    sites: Annotated[registry.Registry, OWN] = field(default_factory=lambda: registry.Registry([]))
    environ: Annotated[Mapping[str, str], OWN] = field(default_factory=dict)
    demo_store: Annotated[Path | None, OWN] = None

    def judge(self) -> Iterator[tuple[str, str]]:
        if self.mode == "production":
            yield from self._judge_production()
        if self.demo and not is_loopback(self.host):
            wish = "the demo (with its phone) only runs on localhost, set MASSAR_MODE=production for a real address"
            yield "MASSAR_PUBLIC_URL MASSAR_MODE", f"MASSAR_PUBLIC_URL names another machine: {wish}"
        floor = _NEEDS_KIB.get(self.argon2.passes, 7168)
        if self.mode != "test" and self.argon2.memory_kib < floor:
            wish = f"{self.argon2.passes} passes need at least {floor} KiB (OWASP ASVS 5.0, appendix C)"
            yield "MASSAR_ARGON2", f"MASSAR_ARGON2 asks for too little memory: {wish}"
        for beginning in self.mobile_ranges:
            try:
                phone.mobile_range(beginning, self.phone_countries)
            except ValueError as refused:
                yield "MASSAR_MOBILE_RANGES MASSAR_PHONE_COUNTRIES", f"MASSAR_MOBILE_RANGES: {beginning!r} {refused}"

    def _judge_production(self) -> Iterator[tuple[str, str]]:
        own = "which everybody knows: make your own with `massar newkeys`"
        clear = "must begin with https:// in production: passwords never travel in the clear"
        short = "is too short: at least 32 characters; `massar newkeys` makes one"
        of_the_demo = set(self.data_keys) & set(_data_keys((DEMO_DATA_KEYS,)))
        for name, mistaken, sentence in (
            ("MASSAR_PUBLIC_URL", not self.https, clear),
            ("MASSAR_SECRET_KEY", self.secret_key == DEMO_SECRET_KEY, f"is the demo's key, {own}"),
            ("MASSAR_SECRET_KEY", len(self.secret_key) < 32, short),
            ("MASSAR_DATA_KEYS", of_the_demo, f"holds the demo's key, {own}"),
            ("MASSAR_AUDIT_KEY", self.audit_key == _audit_key(DEMO_AUDIT_KEY), f"is the demo's key, {own}"),
        ):
            if mistaken:
                yield name, f"{name} {sentence}"

    @property
    def provider_channels(self) -> dict[str, str]:
        """Every configured provider by name, in the operator's order, with its channel."""
        by_address = {"mail": "email"} if self.email_url else {}
        by_address |= {"sms": "sms"} if self.sms_url else {}
        by_table = {name: "email" if table.get("kind") == "smtp" else "sms" for name, table in self.providers.items()}
        return by_address | by_table

    @property
    def database(self) -> dict[str, object]:
        usual = f"sqlite:///{quote(str(self.var / 'massar.sqlite3'))}"
        return database(self.database_url or usual, self.database_pool)

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
    def saml_url(self) -> str:
        """Where the addresses of SAML begin; the account's names at sites are made of it."""
        return f"{self.public_url}/saml"

    @property
    def not_me_url(self) -> str:
        """The page that the link of a notice opens; the token follows."""
        return f"{self.public_url}/not-me/"

    @property
    def https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingsError with every mistake that was found."""
    if environ is None:
        environ = {**settings.read_env_file(Path(".env")), **os.environ}
    given = settings.from_environment(Settings, environ)
    first = {name: given[name] for name in FIRST & given.keys()}
    early, _ = settings.read(Settings, first, environ=environ)  # mistakes: below
    providers, site_tables, mistakes = _tables(early.config)
    sites, of_sites = registry.read(site_tables, environ)
    waived = [name for name, kinds in URLS.items() if kinds & {str(table.get("kind")) for table in providers.values()}]
    if early.mode != "production":
        given, waived = {**settings.typed(Settings, ELSEWHERE), **given}, list(URLS)
    own = {"providers": providers, "sites": sites, "environ": environ}
    made, of_variables = settings.read(Settings, given, environ=environ, own=own, waived=waived)
    # Misspelt words of the gateway, which nothing else would tell of: a wrong field may cost every SMS.
    odd = [name for name in environ if name.startswith("MASSAR_SMS_") and name not in settings.settings_of(Settings)]
    misspelt = [f"{name} is no setting of an SMS gateway: correct its name or take it out." for name in odd]
    if found := [*of_variables, *mistakes, *of_sites, *misspelt]:
        raise SettingsError(found)
    return replace(
        made, var=made.var.absolute(), email_from=made.email_from or f"massar@{made.host}",
        security_contact=made.security_contact or f"mailto:security@{made.host}",
        mobile_ranges=tuple(phone.mobile_range(one, made.phone_countries) for one in made.mobile_ranges),
        demo_store=made.var.absolute() / "demo-inbox.sqlite3" if made.demo else None,
    )  # fmt: skip


def _tables(path: str) -> tuple[Mapping[str, Mapping[str, Any]], Any, list[str]]:
    """What the file MASSAR_CONFIG says of providers and of sites, and what is wrong with it. It is read once, here. The
    tables `[providers.NAME]` stay as they are: each provider reads its own (`massar check`)."""
    try:
        tables = settings.read_toml(Path(path)) if path else {}
    except SettingsError as refused:
        return {}, {}, [f"MASSAR_CONFIG: {mistake}" for mistake in refused.mistakes]
    wish = "which nothing reads: write [sites.NAME] or [providers.NAME]"
    odd = [name for name in tables if name not in TABLES]
    mistakes = [f"MASSAR_CONFIG has a table or value {name!r}, {wish}{settings.near(name, TABLES)}." for name in odd]
    providers = tables.get("providers", {})
    if not isinstance(providers, Mapping) or not all(isinstance(one, Mapping) for one in providers.values()):
        mistakes.append("MASSAR_CONFIG: give each provider a table, as [providers.gateway].")
        providers = {}
    wish = "a small letter, then small letters, digits, - and _, 39 at most"
    odd = [name for name in providers if not NAME.fullmatch(name)]
    mistakes += [f"MASSAR_CONFIG: {name!r} is no name for a provider: {wish}." for name in odd]
    return providers, tables.get("sites", {}), mistakes


def database(url: str, pool: int) -> dict[str, object]:
    """Django's description of the database at `url`. Raises ValueError."""
    parts = _split(url)
    if parts.scheme == "sqlite" and not parts.netloc and parts.path.strip("/"):
        # As everywhere: sqlite:///relative/path, sqlite:////absolute/path.
        # IMMEDIATE: a transaction that reads and then writes would otherwise die with "database is locked".
        return {
            "ENGINE": "massar.core.sqlite",
            "NAME": str(Path(unquote(parts.path[1:])).absolute()),
            # Kept open for the life of its thread: the last one to close folds the write-ahead log into the file, which
            # cost every request 13 ms of waiting and 2.5 ms of work (docs/performance.md).
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
            },
        }
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise ValueError("must be sqlite:///path/to/file or postgres://user:password@host:5432/name")
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "massar.core.postgres",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or query.pop("port", "") or ""),
        "OPTIONS": {
            "pool": {"min_size": 2, "max_size": pool, "timeout": 10},
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


def _split(url: str) -> SplitResult:
    """As urlsplit. What it can't read (a port that is no number, a bracket) is refused like an empty address."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else urlsplit("")
    except ValueError:
        return urlsplit("")
