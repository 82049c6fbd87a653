"""An operator's mistakes in the sites file: each is one sentence with what to do, all come at once, none is a fault."""

import json
import math
from datetime import date, datetime, time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from massar.config.environment import Settings
from massar.core.settings import SettingsError, settings_of
from massar.domain.sites import rules
from massar.domain.sites.registry import Site
from massar.journeys.sso.oidc import claims, verify
from tests.sso.jws import b64
from tests.support.steps import production

SAML = 'protocol = "saml"\nentity_id = "urn:l"\nacs = ["https://l.example.ma/acs"]'
SECRET = f'client_secret = "sha256:{"0" * 64}"'
NATIVE = 'protocol = "oidc"\nclient_id = "l"\nclient_auth = "none"\nredirect_uris = ["https://l.example.ma/back"]'
GATE = 'protocol = "gate"\ngate_origin = "https://l.example.ma"'


def mistakes(folder, text: str, **environ: str) -> list[str]:
    """What is told about the file; [] for a good one."""
    path = folder / "sites.toml"
    path.write_text(text, "utf-8")
    try:
        production(MASSAR_CONFIG=str(path), **environ)
    except SettingsError as refused:
        return refused.mistakes
    return []


def only(folder, text: str, **environ: str) -> str:
    found = mistakes(folder, text, **environ)
    assert len(found) == 1 and "\n" not in found[0] and found[0].endswith("."), found
    return found[0]


@pytest.mark.parametrize(("text", "told"), [
    ("sites = 3", "write [sites.NAME] above"),
    ("sites = [{}]", "write [sites.NAME] above"),
    ("sites.massar = 3", "[sites.massar] must be a table"),
    ("[[sites.massar]]", "[sites.massar] must be a table"),
    ('[site.massar]\nhome = "https://m.ma/"', "[providers.NAME], perhaps sites"),
    ("colour = 3", "nothing reads"),
    ("[sites.massar]\nredirect_uri = []", "correct its name, perhaps redirect_uris"),
    ("[sites.massar]\nxyzzy = []", "take it out"),
    ("[sites.massar]\nredirect_uris = [1]", "redirect_uris must be a list of texts"),
    ('[sites.massar]\nredirect_uris = "https://m.ma/"', "redirect_uris must be a list of texts"),
    ("[sites.massar]\nname = {fr = 3}", "name must be a table of texts by language"),
    ('[sites.massar]\nname = "Massar"', "name must be a table of texts by language"),
    ('[sites.massar]\nname = {francais = "Massar"}', "choose ar, fr or en"),
    ("[sites.taalim]\nattributes = {x = 3}", "attributes must be a list of texts"),
    ("[sites.taalim]\nattributes = [3]", "attributes must be a list of texts"),
    ('[sites.taalim]\nattributes = ["emial"]', "perhaps email"),
    ("[sites.massar]\nroles = [1, 2]", "roles must be a list of texts"),
    ('[sites.massar]\nroles = [" teacher"]', "no space around it"),
    (f'[sites.massar]\nroles = ["{"r" * 21}"]', "1 to 20 characters"),
    ("[sites.massar]\nno_recent_recovery = 1", "no_recent_recovery must be true or false"),
    ("[sites.massar]\norder = true", "order must be a whole number"),
    ("[sites.massar]\norder = -1", "order must be a whole number from 0 to 9999"),
    ("[sites.massar]\nno_recovery_hours = 1000000000000", "from 0 to 8784"),
    (f"[sites.massar]\nmax_age_minutes = 0x{'f' * 5000}", "from 0 to 527040"),
    ("[sites.massar]\nhome = 1979-05-27", "home must be a text"),
    ('[sites.massar]\nicon = "ship"', "icon is 'ship'"),
    ('[sites.massar]\nprotocol = "oicd"', "perhaps oidc"),
    ('[sites.massar]\nalgorithm = "RS265"', "ES256 or RS256, perhaps RS256"),
    ('[sites.massar]\nclient_secret = "the secret itself"', "`massar sites secret`"),
    ('[sites.massar]\nscopes = ["openid", "emial"]', "perhaps email"),
    ('[sites."old site"]\nprotocol = "none"', "[sites.'old site'] is no name for a site"),
    ('[sites.library]\nredirect_uris = ["https://l.ma/x"]', 'add protocol = "oidc"'),
    ('[sites.library]\ngate_origin = "https://l.ma"', 'add protocol = "gate"'),
    ("[sites.taalim]\nsigned_requests = true", "give the site's certificate"),
    (f'[sites.library]\n{SAML}\nhears_sign_out = false\nslo_soap = "https://l.ma/"',
     "hears_sign_out is false, but slo_soap"),
    (f"[sites.library]\n{SAML}\nacs_indexes = [1, 2]", "has 2 numbers for 1 addresses"),
    (f"[sites.library]\n{SAML}\nacs_indexes = [-1]", "from 0 to 65535"),
    (f"[sites.library]\n{SAML}\nacs_indexes = [65536]", "from 0 to 65535"),
    (f"[sites.library]\n{SAML}\nacs_indexes = [true]", "acs_indexes must be a list of whole numbers"),
    (f"[sites.library]\n{SAML.replace(']', ', ')}\"https://l.ma/\"]\nacs_indexes = [1, 1]", "holds a number twice"),
    ("[sites.library]\nprotocol = \"saml\"\nentity_id = \"u\"\nacs = 3\nacs_indexes = [1]",
     "acs must be a list of texts"),
    (f'[sites.library]\n{SAML}\nattributes = {{ mail = "phone" }}', "unknown attribute 'phone'"),
    (f'[sites.library]\n{SAML}\nattributes = {{ "e mail" = "email" }}', "has no spaces"),
    (f"[sites.library]\n{SAML}\nattributes = {{ mail = 3 }}", "attributes must be a list of texts"),
    (f'[sites.library]\n{SAML}\nslo_soap = "https://l.ma/s"\nbackchannel_logout_uri = "https://l.ma/t"',
     "in two ways"),
    (f'[sites.library]\n{GATE}\nattributes = {{ mail = "email" }}', "must be a list"),
    (f'[sites.library]\n{GATE}\nattributes = ["phone"]', "unknown attribute 'phone'"),
    (f'[sites.library]\n{GATE}\ngate_key = "plain-text"', "gate_key must be the hash"),
    *((f'[sites.library]\nprotocol = "gate"\ngate_origin = "https://{odd}"', "gate_origin must be scheme")
      for odd in ("x.example.ma/", "X.example.ma", "x.example.ma:443", "x.example.ma/a")),
    ('[sites.library]\nprotocol = "gate"\ngate_origin = "x"', "gate_origin holds 'x'"),
    (f"[sites.library]\n{NATIVE}\npkce = false", "must use PKCE"),
    *((f"[sites.massar]\n{name} = {value}", f"{name} must be") for name, value in
      (("max_age_minutes", -1), ("no_recovery_hours", -1), ("max_age_minutes", 1.5))),
])  # fmt: skip
def test_each_mistake_is_one_sentence(tmp_path, text, told):
    assert told in only(tmp_path, text)


@pytest.mark.parametrize(
    "address",
    [
        "https://[x", "https://h.ma:x/", "https://h.ma:99999/", "https://", "https://h.ma/#", "http://h.ma/", "h.ma/x", "ftp://h.ma/",
        "https://h.ma/a b", "https://h..ma/", "https://u:p@h.ma/", "https://h.ma\\@evil.ma/", "https://مسار.ma/",
        "javascript:x", "https://h.ma/\\u000ax", "https://h.ma/\\tx",
    ],
)  # fmt: skip
def test_what_is_no_address(tmp_path, address):
    quoted = f'"{address}"' if "\\u" in address or "\\t" in address else json.dumps(address, ensure_ascii=False)
    settings = dict.fromkeys(("home", "slo"), quoted)
    settings |= dict.fromkeys(("redirect_uris", "post_logout_redirect_uris"), f"[{quoted}]")
    table = "\n".join(f"{name} = {value}" for name, value in settings.items())
    found = mistakes(tmp_path, f"[sites.massar]\n{SECRET}\n{table}")
    assert [one.partition(" holds ")[0] for one in found] == [f"[sites.massar] {name}" for name in settings], found


def test_what_is_an_address(tmp_path):
    for address in ("https://h.ma/a?b=c&d", "http://[::1]:8000/", "HTTPS://H.ma", "https://10.0.0.1:8443/x"):
        assert mistakes(tmp_path, f'[sites.massar]\nhome = "{address}"') == [], address
    closed = '[sites.library]\nprotocol = "none"\nredirect_uris = ["https://l.ma/x"]'
    assert mistakes(tmp_path, closed) == [], "a connected site may be closed for a while"


def test_all_mistakes_are_told_at_once(tmp_path):
    text = """
        colour = 3
        [site.massar]
        [sites.massar]
        redirect_uris = [1]
        order = -1
        homes = ""
        [sites.taalim]
        name_id = "mail"
        acs = ["x"]
    """
    wanted = (
        "'colour'", "'site'", "redirect_uris must", "order must", "'homes'", "name_id is", "acs holds 'x'",
        "an entity_id",
    )  # fmt: skip
    found = mistakes(tmp_path, text)
    assert len(found) == 8 and all(sum(told in one for one in found) == 1 for told in wanted), found


def test_what_can_not_be_read_is_not_judged_as_well(tmp_path):
    """One sentence, not a second one about the value that stands in for it."""
    for setting in ("client_secret = 3", "client_auth = 3", "scopes = 3", "client_id = 3"):
        kept = [line for line in (*NATIVE.splitlines(), SECRET) if line.split()[0] != setting.split()[0]]
        assert setting.split()[0] in only(tmp_path, "\n".join(["[sites.library]", *kept, setting]))


def test_a_variable_is_read_where_the_settings_come_from(tmp_path):
    """What the other settings come from is where `env:` looks: a .env file counts as much as the environment."""
    for setting in ('home = "env:LIBRARY_HOME"', 'roles = ["env:LIBRARY_HOME"]', 'name = {fr = "env:LIBRARY_HOME"}'):
        for held in ({}, {"LIBRARY_HOME": ""}):
            told = only(tmp_path, f"[sites.library]\n{setting}", **held)
            assert "reads the variable 'LIBRARY_HOME', which is not set" in told
    (tmp_path / "sites.toml").write_text('[sites.library]\nhome = "env:LIBRARY_HOME"\nroles = ["env:WHO"]\n')
    environ = {"MASSAR_CONFIG": str(tmp_path / "sites.toml"), "LIBRARY_HOME": "https://l.example.ma/", "WHO": "teacher"}
    library = production(**environ).sites.by_slug["library"]
    assert (library.home, library.roles) == ("https://l.example.ma/", ("teacher",))


def test_only_a_service_has_scopes_of_its_own(tmp_path):
    own = f'[sites.library]\nprotocol = "oidc"\nclient_id = "l"\n{SECRET}\nscopes = ["books.read"]\n'
    assert "only a site with service = true" in only(tmp_path, own)
    assert mistakes(tmp_path, f"{own}service = true") == []
    for scope in ("a b", "u:email", 'a\\"', ""):
        assert "a scope has no space" in only(tmp_path, f"{own.replace('books.read', scope)}service = true")
    many = json.dumps([f"books.{n:03}" for n in range(21)])
    assert "longer than 200" in only(tmp_path, f"{own.replace(json.dumps(['books.read']), many)}service = true")


@pytest.mark.parametrize(("names", "told"), [
    (["name", "email"], None),
    (["nam"], "choose from name, given_name, family_name, name_ar, locale, email, email_verified, perhaps name"),
    (["school"], "add school to scopes"),
    (["sub"], "choose from"),
    ("email", "id_token_claims must be a list of texts"),
])  # fmt: skip
def test_claims_of_the_id_token_are_those_of_the_scopes(tmp_path, names, told):
    table = f'[sites.library]\nprotocol = "oidc"\nclient_id = "l"\n{SECRET}\nid_token_claims = {json.dumps(names)}'
    assert mistakes(tmp_path, table) == [] if told is None else told in only(tmp_path, table)
    none = table.partition("id_token")[0] + 'scopes = ["openid"]\nid_token_claims = ["scool"]'
    assert "school_ar, role, recovered_at, perhaps school." in only(tmp_path, none), (
        "no scope allows any: all are named"
    )


def test_known_words_are_those_of_the_protocols():
    assert {"name", "email", "school"} <= set(rules.CLAIMS) <= set(claims.SUPPORTED)
    assert rules.LONGEST_SCOPES == claims.LONGEST_SCOPE
    assert {name for names in rules.SIGNS.values() for name in names} == set(verify.ASSERTION_ALGORITHMS)


# -- keys of private_key_jwt

EC_KEY = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
GOOD = EC_KEY.as_dict(private=False)
P521 = ECKey.import_key(ec.generate_private_key(ec.SECP521R1())).as_dict(private=False)
SHORT_NUMBERS = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
SHORT = {"kty": "RSA", "n": b64(SHORT_NUMBERS.n.to_bytes(128)), "e": "AQAB"}


def keyed(*keys: object) -> str:
    table = 'protocol = "oidc"\nclient_id = "l"\nclient_auth = "private_key_jwt"\nredirect_uris = ["https://l.example.ma/back"]'
    return f"[sites.library]\n{table}\nclient_keys = {toml(list(keys))}"


@pytest.mark.parametrize(("key", "told"), [
    ("x", "client_keys must be a list of tables"),
    ({}, "needs a kty: EC, RSA or OKP"),
    ({"kty": ["EC"]}, "needs a kty"),
    ({"kty": "oct", "k": "AAAA"}, "needs a kty"),
    (EC_KEY.as_dict(private=True), "private parts (d)"),
    ({"kty": "EC", "crv": "P-256", "x": 3}, "needs x and y as text"),
    ({**GOOD, "x": "AAAA"}, "can't be read"),
    ({**GOOD, "x": "!"}, "can't be read"),
    ({**GOOD, "x": "ب"}, "can't be read"),
    ({"kty": "RSA", "n": "A" * 342, "e": ""}, "can't be read"),
    ({"kty": "RSA", "n": "", "e": ""}, "less than 2048 bits"),
    ({**SHORT, "n": "A" * 180 + SHORT["n"]}, "less than 2048 bits"),
    ({**GOOD, "alg": "RS256"}, "give ES256, or leave alg out"),
    ({**GOOD, "alg": ["ES256"]}, "give ES256, or leave alg out"),
    ({**GOOD, "use": "enc"}, "not for signing"),
    ({**GOOD, "kid": 7}, "put it in quotes"),
    (P521, "a curve that is not taken: choose P-256, P-384 or Ed25519"),
    (SHORT, "less than 2048 bits"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_that_could_verify_nothing(tmp_path, key, told):
    said = only(tmp_path, keyed(GOOD, key))
    assert told in said and ("key 2 " in said or key == "x")
    assert GOOD["x"] not in said and EC_KEY.as_dict(private=True)["d"] not in said


def test_good_keys_of_every_kind(tmp_path):
    long = RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048)).as_dict(private=False)
    ed = OKPKey.import_key(ed25519.Ed25519PrivateKey.generate()).as_dict(private=False)
    named = {**GOOD, "kid": "one", "use": "sig", "alg": "ES256"}
    assert mistakes(tmp_path, keyed(named, {**long, "alg": "PS256"}, ed)) == []


# -- whatever stands in the file


def toml(value: object) -> str:
    """One value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value).replace("\x7f", "\\u007f")


NAMES = [*settings_of(Site), "slug"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=12)
WORDS = st.sampled_from(
    ["env:", "env:NOBODY", "https://[x", "https://x:y", "https://x.ma/", "oidc", "saml", "gate", "none",
     "private_key_jwt", "EC", "RSA", "OKP", "P-256", "Ed25519", "openid", "AQAB", "ES256"]
)  # fmt: skip
SIMPLE = st.one_of(
    TEXTS, WORDS, st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.dates(), st.times(),
    st.datetimes(),
)  # fmt: skip
KEYS = st.one_of(TEXTS, st.sampled_from([*NAMES, "kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "fr", "ar"]))
VALUES = st.recursive(
    SIMPLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
SITES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6) | VALUES
SLUGS = st.sampled_from(["massar", "taalim", "notifrh", "library"]) | TEXTS
TABLES = {"sites": st.dictionaries(SLUGS, SITES, max_size=3) | VALUES, "providers": VALUES, "site": VALUES}
FILES = st.fixed_dictionaries({}, optional=TABLES)


def told(path, text: str) -> None:
    """The settings as a whole: good, or sentences."""
    path.write_text(text, "utf-8")
    try:
        assert isinstance(production(MASSAR_CONFIG=str(path)), Settings)
    except SettingsError as refused:
        told = refused.mistakes
        assert told and all(one.endswith(".") and "\n" not in one for one in told), told


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "sites.toml"


@settings(deadline=None)
@given(FILES)
@example({"sites": {"massar": {"client_keys": [{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}]}}})
def test_no_nesting_of_wrong_types_is_a_fault(path, tables):
    told(path, "\n".join(f"{toml(name)} = {toml(value)}" for name, value in tables.items()))


@pytest.mark.parametrize("text", [
    "x = " + "[" * 10_000, "x = " + "{a = " * 5_000, f"x = {'9' * 5_000}", "[sites.massar", "\ufeff",
    "x = 1\nx = 2", "d = 2026-13-41",
])  # fmt: skip
def test_what_is_no_toml_is_told(path, text):
    told(path, text)
    with pytest.raises(SettingsError, match="can't be read"):
        production(MASSAR_CONFIG=str(path))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_are_a_fault(path, data):
    path.write_bytes(data)
    try:
        production(MASSAR_CONFIG=str(path))
    except SettingsError as refused:
        assert refused.mistakes
