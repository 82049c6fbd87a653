"""Laws against what opens a product from within: statements made of input, secrets compared letter by letter, markup
that nobody escaped, cookies and redirects by the way, secrets in addresses and logs.

What ruff's own rules hold (pyproject.toml: S, DTZ, G) is not said again here: no shell, no pickle, no eval, no naive
moment, no log line put together by hand. These say who may set a rule aside.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.catalogues import TEMPLATES
from tests.house.laws import PRODUCT, module_name, name_of, names_used, nodes, python_files
from tests.house.written_here import Module

FILES = python_files(PRODUCT)
READ = {path: path.read_text("utf-8") for path in FILES}


# Pieces of statements that come from another module, with where they are written.
FROM_ELSEWHERE = {
    "core/audit/retention.py": ({"_table(segment)", "table", "segment"}, "class and month, made by segments.py"),
    "core/keyring/rows.py": (
        {"sealed.table", "sealed.key", "sealed.column", "ending.table", "ending.since",
         "ending.until", "where", "later", "sets",
         "_any(sealed)", "_columns(sealed)", "', '.join(ends)"},
        "constants of journeys/keys/change_data_keys.py, and what is made of them",
    ),
    "core/online_indexes.py": ({"schema_editor.quote_name(name)"}, "the name of an index, in a migration"),
    "core/sql.py": (
        {"sequence", "table", "columns", "column", "each", "values(len(some), len(some[0]))"},
        "the names of tables in journeys' own lists, when a backup is restored; of the rooms' own below",
    ),
    "domain/campaigns/store.py": (
        {"', '.join((f'{name} = %s' for name in given))", "sums"}, "names of columns, given in journeys/campaigns"
    ),
    "domain/credentials/temporary.py": ({"belonging"}, "a constant of people, by journeys/figures/count.py"),
    "domain/delivery/metrics.py": ({"belonging"}, "the same"),
    "domain/people/counting.py": ({"passwords"}, "the name of a table of credentials, by the same"),
    "domain/people/selection.py": ({"which", "clause"}, "made of texts of that function"),
    "domain/credentials/passwords.py": ({"since"}, "a constant of factors, by journeys/account/sign_in.py"),
    "domain/factors/passkeys.py": ({"condition"}, "made by encryption's list of keys: names of columns and marks"),
    "domain/people/members.py": ({"roles.holds_one_of(len(held))"}, "a constant, as often as there are roles"),
    "domain/people/search.py": (
        {"fits", "roles.holds_one_of(len(as_high))"}, "constants, as often as there are words or roles"
    ),
    "domain/sites/grants.py": ({"', '.join(GrantFacts._fields[1:])"}, "fields of a class there"),
    "journeys/personal_data.py": ({"kept.table", "kept.owner", "', '.join(kept.given)"}, "the table TABLES there"),
}  # fmt: skip


def test_a_statement_is_made_of_the_programs_own_texts():
    """Values travel as parameters; what else stands in a statement is written in the program (CWE-89)."""
    found = {path: list(Module(READ[path]).strange_pieces()) for path in FILES}
    allowed = {PRODUCT / name: pieces for name, (pieces, _) in FROM_ELSEWHERE.items()}
    strange = [(path, line, piece) for path, pieces in found.items() for line, piece in pieces]
    unknown = [one for one in strange if one[2] not in allowed.get(one[0], ())]
    assert [f"{name_of(path)}:{line} {piece}" for path, line, piece in unknown] == []
    needless = {name_of(path): pieces - {piece for _, piece in found[path]} for path, pieces in allowed.items()}
    assert {name: pieces for name, pieces in needless.items() if pieces} == {}, "an exception that nothing needs"


@pytest.mark.parametrize(("source", "strange"), [
    ("def f(x):\n    return f'SELECT a FROM t WHERE b = {x}'", ["x"]),
    ("def f(r):\n    s = r.POST['x']\n    return f'DELETE FROM t WHERE a = {s}'", ["s"]),
    ("def f(r):\n    s = 'a'\n    s += r.name\n    return f'UPDATE t SET {s} = 1'", ["s"]),
    ("def _f(x):\n    return f'SELECT {x} FROM t'\n_f('a')\n_f(name)", ["x"]),
    ("def _f(x='a'):\n    return f'SELECT {x} FROM t'\n_f()\n_f('b')", []),
    ("def f(x):\n    a, b = ('c', x) if x else ('d', 0)\n    return f'SELECT {a} FROM t'", []),
    ("def f(x):\n    a, b = ('c', x) if x else ('d', 0)\n    return f'SELECT {b} FROM t'", ["b"]),
    ("def f(n):\n    return f'INSERT INTO t VALUES {sql.values(len(n), 2)} {_END}'", []),
    ("def f(n):\n    return f'SELECT a FROM t WHERE {\" AND \".join(n)}'", ["' AND '.join(n)"]),
    ("def f(n):\n    return f'select {n}, please'", []),
])  # fmt: skip
def test_the_follower_sees_what_it_should(source: str, strange: list[str]):
    assert [piece for _, piece in Module(source).strange_pieces()] == strange


# -- secrets are compared in constant time (CWE-208)

SECRET = re.compile(r"(?:\w+_)?(?:hmac|mac|digest|signature|secret|password|token|verifier|proof|tag|hash)s?")
MAKES_ONE = re.compile(r"blind_index(?:es)?|sign|hexdigest|digest|hashed_secret|state_of")
SAME = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
COMPARED = {
    "core/audit/verifier.py": "hashes of the chain are public, and judged offline",
    "core/saml/decode.py": "names of XML elements",
    "core/xml_signature.py": "names of XML elements",
    "domain/credentials/temporary.py": "HMACs under a key of ours: nobody can steer one letter by letter",
    "domain/delivery/receipt_match.py": "HMACs under a key of ours, both from the database",
    "domain/policy/signs.py": "a new password with itself",
    "journeys/sso/gate.py": "SHA-256 of 256 random bits: nobody can steer one letter by letter",
    "journeys/sso/log_out_of_sites.py": "a name of a session, in a token that we have signed ourselves",
    "journeys/sso/oidc/authorize.py": "kinds of proof, no secret",
}


def secrets_compared(source: str) -> Iterator[int]:
    for node in nodes(source):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], SAME):
            sides = [node.left, *node.comparators]
            plain = any(isinstance(one, ast.Constant) or _last(one).isupper() for one in sides)
            if not plain and any(map(_is_secret, sides)):
                yield node.lineno


def _is_secret(side: ast.AST) -> bool:
    calls = (_last(node.func) for node in ast.walk(side) if isinstance(node, ast.Call))
    return SECRET.fullmatch(_last(side)) is not None or any(MAKES_ONE.fullmatch(name) for name in calls)


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_secrets_are_compared_in_constant_time():
    found = {str(path.relative_to(PRODUCT)) for path in FILES if list(secrets_compared(READ[path]))}
    assert found == set(COMPARED), "hmac.compare_digest, or a reason above"


@pytest.mark.parametrize(("source", "seen"), [
    ("if given_hmac == own: pass", True),
    ("if said in [tag for tag in keys.blind_indexes('x')]: pass", True),
    ("if token != row.token: pass", True),
    ("if hashed_secret(said) == kept: pass", True),
    ("if signature == '': pass", False),
    ("if hmac.compare_digest(token, row.token): pass", False),
    ("if kind == row.kind: pass", False),
])  # fmt: skip
def test_the_reader_of_comparisons_sees_what_it_should(source: str, seen: bool):
    assert bool(list(secrets_compared(source))) is seen


# -- who may set a rule aside, and the one place of cookies, redirects, exemptions, markup

SET_ASIDE = {
    "interfaces/base/jinja.py S701", "interfaces/web/factor_pages.py S704", "core/postgres/base.py SLF001",
    "journeys/people/demo_country.py S311",
}  # fmt: skip
ONE_PLACE = {
    "set_cookie": {"interfaces/base/cookies.py", "interfaces/sso/gate.py"},  # the gate's: cookies of the site's host
    "HttpResponseRedirect": {"interfaces/base/page.py"},
    "HttpResponsePermanentRedirect": set(),
    "shortcuts": set(),  # django's redirect and render
    "mark_safe": set(),
    "Environment": {"interfaces/base/jinja.py", "domain/delivery/wording.py"},
    "csrf_exempt": {
        "interfaces/base/direct.py", "interfaces/receipts.py", "interfaces/sso/oidc/authorize.py",
        "interfaces/sso/oidc/logout.py", "interfaces/sso/saml/logout.py", "interfaces/sso/saml/views.py",
    },
}  # fmt: skip
FRAMEWORK = re.compile(r"(?:django|jinja2|markupsafe)\.")


def test_only_these_set_a_rule_aside():
    told = (f"{path.relative_to(PRODUCT)} {rule}" for path in FILES for rule in
            re.findall(r"# noqa(?:: (\w+))?", READ[path]))  # fmt: skip
    assert set(told) == SET_ASIDE


def places_of(name: str) -> set[str]:
    """Files that take this name from the framework, or call a method of it."""
    found = set()
    for path in FILES:
        source = READ[path]
        if name not in source:
            continue
        names = {full for full, _ in names_used(source, module_name(path)) if FRAMEWORK.match(full)}
        used = any(full.split(".")[-1] == name for full in names)
        calls = (node.func for node in nodes(source) if isinstance(node, ast.Call))
        if used or any(isinstance(one, ast.Attribute) and one.attr == name for one in calls):
            found.add(str(path.relative_to(PRODUCT)))
    return found


@pytest.mark.parametrize("name", ONE_PLACE)
def test_cookies_redirects_and_exemptions_have_their_places(name: str):
    assert places_of(name) == ONE_PLACE[name]


UNESCAPED = re.compile(r"\|\s*safe\b|autoescape|\bMarkup\(")


def test_no_template_takes_markup_that_it_did_not_write():
    found = {f"{path.name}: {one}" for path in TEMPLATES for one in UNESCAPED.findall(path.read_text("utf-8"))}
    assert found == {"parts.html: |safe"}  # the drawings of signs, which stand in that file


def test_markup_is_made_of_a_constant():
    """`Markup(text).format(value)` escapes the value; `Markup(value)` would not (CWE-79)."""
    made = []
    for path in (path for path in FILES if "Markup(" in READ[path]):
        calls = [node for node in nodes(READ[path]) if isinstance(node, ast.Call)]
        marked = [one for one in calls if _last(one.func) == "Markup"]
        made += [name_of(path) for one in marked if not isinstance(one.args[0], ast.Constant)]
    assert made == ["src/massar/interfaces/web/factor_pages.py"]  # a QR code: numbers of dots


# -- what is typed stays out of logs, and secrets out of addresses (CWE-532, CWE-598)

TYPED = re.compile(r"\b(?:POST|GET|COOKIES|body|META|headers|get_full_path|QUERY_STRING)\b")
LOGGERS = {"note", "log", "logger", "logging"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
ASKED = re.compile(r"""\.GET(?:\.get|\.getlist)?[(\[]["'](\w+)""")
# A ticket is good once, for seconds.
IN_ADDRESSES = {"at", "window", "before", "by", "after", "ref", "said", "again", "ticket", "unit", "as"}


def lines_that_log_what_was_typed(source: str) -> Iterator[int]:
    for node in nodes(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            if _last(node.func.value) in LOGGERS and any(TYPED.search(ast.unparse(one)) for one in node.args):
                yield node.lineno


def test_no_line_of_the_log_holds_what_was_typed():
    assert [name_of(path) for path in FILES if list(lines_that_log_what_was_typed(READ[path]))] == []
    assert list(lines_that_log_what_was_typed("note.info('tried %s', request.POST['user'])")) == [1]
    assert list(lines_that_log_what_was_typed("note.info('tried %s', site.slug)")) == []


def test_addresses_carry_no_secret():
    found = {name for path in FILES for name in ASKED.findall(READ[path])}
    assert found == IN_ADDRESSES, "is it a secret? Then a form or a header brings it"
