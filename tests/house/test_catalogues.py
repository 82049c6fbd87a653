"""The words people read: three complete catalogues, every id in use exists, no sentence can break a page."""

import ast
import re
import string
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from babel.messages import Message
from babel.messages.mofile import read_mo

from massar.domain.campaigns.models import Campaign
from massar.domain.delivery import alarms, breaker, models, provider, wording
from massar.domain.desk.models import Case
from massar.domain.factors.models import Factor
from massar.domain.people import api as people
from massar.domain.people.models import Guardianship
from massar.interfaces.commands import campaign
from massar.interfaces.demo import views as demo
from massar.interfaces.desk import exports as desk_exports
from massar.interfaces.desk import figures, slips
from massar.interfaces.desk import lists as desk_lists
from massar.interfaces.web import password
from massar.journeys import personal_data
from massar.journeys.account import recover_password, see_history
from massar.journeys.desk import see_account, unmask
from massar.journeys.messages import deliver_messages, leased_delivery
from massar.journeys.people import branch_list, sheet_rows
from massar.journeys.people.link_rows import LinkField
from massar.journeys.people.unit_rows import UnitField
from massar.journeys.sso import deliver_logouts
from tests.house.catalogues import INTERFACES, LANGUAGES, LOCALES, TEMPLATES, catalogue, id_of, sentences
from tests.house.laws import PRODUCT, nodes, python_files

PLURALS = {"ar": 6, "fr": 2, "en": 2}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
ARABIC = re.compile(r"[\u0621-\u064A]")
MESSAGE_ID = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)+")
# Ids a template asks for: t('x.y') or n('x.y', …); and beginnings that are completed there: t('x.' ~ y).
ASKED = re.compile(r"""\b[tn]\(\s*'([^']*)'(\s*~)?""")
# Names that are written the same in every language, and signs that are no words.
SAME_IN_ARABIC = {"form.colon"}
# Messages that code picks by an id it was given.
FAMILIES = {"rule": ("", ".refused"), "errors": (".title", ".text"), "alarm": ("", ".text")}
GROUPS_IN_CODE = {"error", "flash", "rule", "activity", "how", "browser", "problem", "errors"}


def ids_where(language: str, judge: Callable[[str], object]) -> set[str]:
    """Ids with a sentence for which `judge` answers something true."""
    return {id for id, message in catalogue(language).items() if any(map(judge, sentences(message)))}


def placeholders(message: Message) -> set[str]:
    return {name for text in sentences(message) for name in PLACEHOLDER.findall(text)}


def whole_ids(source: str) -> set[str]:
    """Literal first arguments of t() and n(), and literals that stand in one of the groups code speaks."""
    ids = set()
    for node in nodes(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("t", "n"):
            first = node.args[0] if node.args else None
            ids |= {first.value} if isinstance(first, ast.Constant) else set()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if MESSAGE_ID.fullmatch(node.value) and node.value.split(".")[0] in GROUPS_IN_CODE:
                ids.add(node.value)
    return ids


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete_and_says_the_same_with_the_same_facts(language: str):
    here, arabic = catalogue(language), catalogue("ar")
    assert len(here) > 200 and set(here) ^ set(arabic) == set()
    assert [id for id, message in here.items() if message.fuzzy] == []
    assert ids_where(language, lambda text: not text.strip()) == set()
    assert {id for id, message in here.items() if placeholders(message) != placeholders(arabic[id])} == set()
    # When the placeholders are gone no per cent sign is left: filling can't fail on it.
    assert ids_where(language, lambda text: "%" in PLACEHOLDER.sub("", text)) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_id_stands_once_and_has_one_text(language: str):
    """Two changes that were put together by lines may leave two; readers take one of them without a word."""
    lines = re.findall(
        r'^(msgid|msgstr) "(.*)"$', (LOCALES / language / "LC_MESSAGES/django.po").read_text("utf-8"), re.MULTILINE
    )
    ids = [text for kind, text in lines if kind == "msgid" and text]
    assert len(set(ids)) == len(ids)
    assert [second for (first, _), second in pairwise(lines) if first == second[0] == "msgstr"] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_have_every_form_of_the_language(language: str):
    counted = {id: m for id, m in catalogue(language).items() if isinstance(m.string, tuple)}
    assert counted, "no message counts anything"
    assert {id: len(m.string) for id, m in counted.items()} == dict.fromkeys(counted, PLURALS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_hold_no_markup_and_western_digits(language: str):
    """Words only: marks of HTML are escaped by the page and would be read as they stand."""
    assert ids_where(language, lambda text: set(text) & set('<>&"`{}')) == set()
    assert ids_where(language, lambda text: any(c.isdigit() and c not in string.digits for c in text)) == set()


def test_each_language_is_written_as_itself():
    assert ids_where("ar", lambda text: not ARABIC.search(text)) == SAME_IN_ARABIC
    assert ids_where("fr", ARABIC.search) == ids_where("en", ARABIC.search) == set()
    no_break = "a colon, a question mark or a guillemet never stands alone at the beginning of a line"
    assert ids_where("fr", re.compile(r" [:;?!»]|« ").search) == set(), no_break


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_templates_ask_for_ids_that_exist(path: Path):
    asked, known = ASKED.findall(path.read_text("utf-8")), set(catalogue("ar"))
    missing = {name for name, more in asked if not more and name not in known}
    missing |= {name for name, more in asked if more and not any(id.startswith(name) for id in known)}
    assert missing == set()


def test_code_asks_for_ids_that_exist():
    known, folders = set(catalogue("ar")), ("web", "desk", "ops")
    pages = [path for folder in folders for path in python_files(INTERFACES / folder)]
    found = {name: path.name for path in pages for name in whole_ids(path.read_text("utf-8"))}
    assert found and {name: file for name, file in found.items() if name not in known} == {}


@pytest.mark.parametrize("group", FAMILIES)
def test_families_are_complete(group: str):
    """A rule has a line and a reason, a fault page a title and a text."""
    members = {id.split(".")[1] for id in catalogue("ar") if id.split(".")[0] == group and id.count(".") == 2}
    wanted = {f"{group}.{member}{end}" for member in members - {"state"} for end in FAMILIES[group]}
    assert wanted and wanted - set(catalogue("ar")) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_up_to_date(language: str):
    """`make messages` was run after the last change of the words."""
    with (LOCALES / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = {id_of(message): sentences(message) for message in read_mo(file) if message.id}
    assert compiled == {id: sentences(message) for id, message in catalogue(language).items()}


def test_the_readers_see_what_they_should():
    asked = ASKED.findall("{{ t('a.b', x=1) }} {{ n('c.d', 2) }} {{ t('site.' ~ slug) }} {{ format('no') }}")
    assert asked == [("a.b", ""), ("c.d", ""), ("site.", " ~")]
    code = "t('a.b'); x = 'flash.saved'; y = 'massar.core.text'; f('error.wait')"
    assert whole_ids(code) == {"a.b", "flash.saved", "error.wait"}


# -- Arabic speaks to the person in one way, on pages, in mail and in SMS: the plural of courtesy (أنتم)

# Verbs to one person: what somebody is told to do, did, or may do. The plural ends in وا, تم or ون.
TO_ONE = """
أنت كنت نسيت طلبت قمت غيرت كتبت أدخلت فعلت توصلت أردت حاولت أضفت حذفت
تكن تتوصل تعط تعطه تعطها تعطيه تفعل تجد تريد تستطيع ترغب تعرف تقم تشارك تخبر تضغط
اتصل اضغط أدخل اختر اكتب افتح انتظر سجل أعد احفظ أكد تأكد جرب راجع اقرأ اطلب انتقل استعمل استخدم أضف احذف ابحث
""".split()
ENDS_IN_KAF = {
    "الشباك",
    "بالشباك",
    "بشباك",
    "شباك",
    "ذلك",
    "تلك",
    "هناك",
    "كذلك",
    "لذلك",
    "ولذلك",
    "بذلك",
    "وذلك",
    "هنالك",
    "توشك",
    "ترك",
}  # … and speaks to nobody
MARKS = re.compile("[\u064b-\u0652\u0640]")  # harakat and tatweel


def to_one_person(text: str) -> set[str]:
    """The words of a text that speak to one person; و, ف, ل, ب before a word are seen through."""
    words = re.findall("[\u0621-\u064a]+", MARKS.sub("", text))
    suffix = {word for word in words if word.endswith("ك") and len(word) > 2 and word not in ENDS_IN_KAF}
    verbs = {word for word in words if word in TO_ONE or (word[0] in "وفل" and word[1:] in TO_ONE)}
    return suffix | verbs | {word for word in words if word in ("لك", "بك", "منك", "فيك")}


def test_nothing_speaks_to_one_person():
    assert ids_where("ar", to_one_person) == set()
    letters = sorted((PRODUCT / "domain/delivery/wording/ar").iterdir())
    assert letters and {path.name for path in letters if to_one_person(path.read_text("utf-8"))} == set()


@pytest.mark.parametrize(("one", "many"), [
    ("إن لم تكن أنت، اتصل بنا", "إن لم تكونوا أنتم، اتصلوا بنا"), ("لا تعطها لأحد", "لا تعطوها لأحد"),
    ("غيّر كلمة مرور حسابك", "إلى ذلك الحين"), ("فاضغط على الزر", "غير صحيح"), ("لن يطلبها منك أحد", "سجلوا الدخول"),
])  # fmt: skip
def test_such_a_word_is_found_and_the_plural_is_none(one, many):
    assert to_one_person(one) and to_one_person(many) == set()


# -- ids that are put together at run time: every value that can stand at the end has its sentence. The table is exact:
# a new channel, state or purpose fails here and not as `desk.channel.soap` on somebody's screen.

COMPLETED_IN_PAGES = re.compile(r"""\b[tn]\(\s*'([^']*\.[^']*)'\s*~""")
PEOPLE = ("email", "phone")
KINDS = ("info", "success", "warning", "danger")


def literals(pattern: str, *places: str) -> set[str]:
    """What stands in the one group of a pattern, in the product's code under those places."""
    code = "\n".join(path.read_text("utf-8") for place in places for path in python_files(PRODUCT / place))
    return set(re.findall(pattern, code))


def sso_problems() -> set[str]:
    found = literals(r'Refused\(\s*"(\w+)"', "journeys", "interfaces/sso")
    found |= literals(r'problem="(\w+)"', "journeys/sso", "interfaces/sso")
    return {problem for problem in found if "_" not in problem}  # the others are the words of OAuth, for programs


def sheet_refusals() -> set[str]:
    return literals(r'SheetRefused\("(\w+)"', "core/sheets")


QUEUE = ("waiting", "claimed", "queued", "sending", "awaiting_receipt")  # what is not final: metrics.read_queue
ENDS: dict[str, Iterable[str]] = {
    "notice.": KINDS,
    "sso.told.": ("waiting", "confirmed", "failed", "open", "unreachable"),  # LogoutStatus.state
    "prove.title_": PEOPLE,
    "profile.": PEOPLE,
    "contact.none_": PEOPLE,
    "contact.remove_": PEOPLE,
    "sso.error.": [f"{problem}{part}" for problem in sso_problems() for part in (".title", ".text")],
    "message.about.": wording.EVENTS,
    "message.purpose.": {*literals(r'purpose="(\w+)"', "journeys"), *recover_password.MESSAGES.values()},
    "vouch.": ("not_asked_here", "code_wrong", "code_late"),
    "message.state.": models.Message.State.values,
    "desk.channel.": (*deliver_messages.CHANNELS, *deliver_logouts.BINDINGS),
    "desk.breaker.": [str(state).replace("-", "_") for state in breaker.State.values],
    "desk.state.": QUEUE,
    "desk.outcome.": (*(kind.outcome for kind in get_args(provider.Refusal)), leased_delivery.Fault.outcome),
    "desk.plot.": [f"{plot}{part}" for plot in literals(r'Plot\("(\w+)"', "interfaces/ops") for part in ("", ".note")],
    "alarm.": [f"{one.id.replace('-', '_')}{part}" for one in alarms.TABLE for part in ("", ".text")],
    "desk.": ("sent", "delivered", "late", "failed", "expired"),
    "demo.step_": demo.STEPS,
    "demo.fault_": [name for _, name in demo.FAULTS],
    "due.why.": Campaign.Why.values,
    "campaign.held.": campaign.HELD,
    "campaign.kind.": Campaign.Kind.values,
    "campaign.state.": Campaign.State.values,
    "campaign.people.": ("all", *(kind.name.lower() for kind in people.Kind)),
    "figures.": (*figures.COLUMNS, *figures.LINES, "median_minutes", "messages"),
    "sites.protocol.": ("oidc", "saml", "gate", "none"),
    "season.does.": ("queue", "secrets", "pages", "campaigns", "never"),
    "activity.": see_history.SHOWN,
    "agent.role.": people.rights.Role,
    "case.kind.": Case.Kind.values,
    "case.state.": Case.State.values,
    "agent.kind.": set(people.roles.Kind) - {people.roles.Kind.OWN},
    "agent.right.": people.rights.Right,
    "slips.stands_": ("waits", "used", "replaced", "voided", "late", "spent", "over"),
    "slips.language_": slips.LANGUAGES,
    "slips.who_": slips.WHO,
    "code.": ("name", "code", "do", "until"),
    "agent.state.": [f"{state}{part}" for state in see_account.STATES for part in ("", ".text")],
    "agent.contact.": {*literals(r'state(?:, at)? = "(\w+)"', "journeys/desk"), "counts", "none"},
    "agent.belongs.kind_": map(int, people.belonging.Kind),
    "agent.unmask.reason.": unmask.REASONS,
    "strength.": ("password", "temporary", "two_steps", "passkey"),
    "data.kind.": [f"{kept.name}{part}" for kept in personal_data.TABLE for part in ("", ".why")],
    "data.lasts.": {kept.lasts for kept in personal_data.TABLE},
    "factor.kind.": Factor.Kind.values,
    "pupil.rule.": password.SHORT,
    "family.relation_": Guardianship.Relation.values,
    "how.": literals(r'how="(\w+)"', "journeys"),
    "sheet.": sheet_refusals(),
    "sheet.note.": literals(r'Note\("(\w+)"', "core/sheets"),
    "import.refused.": literals(r'UnusableList\("(\w+)"', "journeys"),
    "export.who_": desk_exports.WHO,
    "export.format_": branch_list.ENDINGS,
    "export.state.": (
        *set(people.exports.ExportState) - {people.exports.ExportState.FAILED},
        "failed_role",
        "failed_fault",
    ),
    "export.column.": (*branch_list.READ_ALONE, *branch_list.ALSO),
    "export.kind.": [kind.name.lower() for kind in people.Kind],
    "export.unit_kind.": [kind.name.lower() for kind in people.units.Kind],
    "lists.state.": people.list_jobs.State,
    "lists.tally.": people.import_runs.ImportTally._fields,
    "lists.holds.": desk_lists.HOLDS,
    "lists.kind.": (*desk_lists.KINDS, "as_they_are"),
    "import.field.": (*sheet_rows.Field, *(field.label for field in (*UnitField, *LinkField)), "row", "wrong"),
    "rule.": (),  # rules and their refusals, fault pages, fields: each family has a test in test_catalogues.py
    "errors.": (),
    "error.": literals(r'Problem\("(\w+)"', "journeys")
    - {"login_taken", "role_shut", "role_not_held", "role_slips", "export_sheet"}  # said by a command
    | {f"cell_{why}" for why in literals(r'_Fault\("(\w+)"', "core/sheets") | {"long", "merged"}},
}


def beginnings() -> Iterable[str]:
    """Of every id that a template or the pages' code completes."""
    for path in TEMPLATES:
        yield from COMPLETED_IN_PAGES.findall(path.read_text("utf-8"))
    for node in (node for path in python_files(INTERFACES) for node in nodes(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("t", "n", "gettext") and node.args:
            first = node.args[0]
            if isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                yield first.values[0].value


def test_the_table_is_exact():
    assert set(beginnings()) == set(ENDS)


@pytest.mark.parametrize("beginning", [name for name, ends in ENDS.items() if ends])
def test_every_end_has_its_sentence(beginning: str):
    assert {f"{beginning}{end}" for end in ENDS[beginning]} - set(catalogue("ar")) == set()


def test_the_values_are_found_where_they_stand():
    assert {"request", "site", "address"} <= sso_problems()
    assert {"temporary_password", "contact_code", "notice", "site_logout"} <= set(ENDS["message.purpose."])
    assert len(list(ENDS["desk.plot."])) >= 8 and len(list(ENDS["how."])) >= 2


# -- what a person reads of the audit log

# Nobody's: no row of them has a person; and parts of names that are put together (recovery_asked, vouching_asked).
OF_NOBODY = {"audit_retired", "data_key", "database_restored", "siege_", "campaign_", "season_ordered", "_asked"}
RECORDS = re.compile(r"record_event|AuditEvent|agents\.record\b")


def events_recorded() -> dict[str, str]:
    """Every event that the product records -> where. A name that is given through a variable is looked for among what
    is assigned to it, and among the arguments of the function's callers in that file."""
    found: dict[str, str] = {}
    for path in python_files(PRODUCT):
        source = path.read_text("utf-8")
        if not RECORDS.search(source):
            continue
        tree = nodes(source)[0]
        for function in (node for node in nodes(source) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                name = ast.unparse(call.func)
                recorded = name.split(".")[-1] in ("record_event", "AuditEvent") or name == "agents.record"
                if recorded and call.args:
                    names = given_names(call.args[0], function, tree)
                    assert names or path.name in ("events.py", "agents.py"), (
                        f"{path.name}:{call.lineno}: which event is it?"
                    )
                    found |= dict.fromkeys(names, f"{path.name}:{call.lineno}")
    return found


def given_names(argument: ast.expr, function: ast.FunctionDef, tree: ast.Module) -> set[str]:
    texts = {
        node.value for node in ast.walk(argument) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    if texts or not isinstance(argument, ast.Name):
        return texts
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and argument.id in [ast.unparse(target) for target in node.targets]:
            texts |= results(node.value)
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    if argument.id in names:
        place = names.index(argument.id)
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        for call in (one for one in calls if ast.unparse(one.func) == function.name and len(one.args) > place):
            texts |= results(call.args[place])
    return texts


def results(value: ast.expr) -> set[str]:
    if isinstance(value, ast.IfExp):
        return results(value.body) | results(value.orelse)
    return {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()


def test_every_event_of_a_person_has_words():
    """Whatever the audit log holds of a person can be shown to that person."""
    recorded, known = events_recorded(), set(catalogue("ar"))
    assert {"sign_in", "sign_out", "session_ended", "contact_proved", "message", "site_entered"} <= set(recorded)
    missing = {event: place for event, place in recorded.items() if f"activity.{event}" not in known}
    assert set(missing) - OF_NOBODY == set(), "add activity.<event> to the three catalogues"
