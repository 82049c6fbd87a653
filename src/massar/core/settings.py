"""The one reader of settings: texts and tables in, typed and frozen dataclasses out, one sentence for each mistake.

A dataclass that derives from `Table` says what may be set: each field is a setting, its annotation carries the bounds
(`Annotated[int, Field(ge=1, le=10)]`), and the text below it is its description on the page of settings. pydantic
judges the values. A text that reads `env:NAME` or `file:PATH` is taken from there, in every table. No sentence holds a
value that could be a secret."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le
from django.utils.functional import cached_property
from dotenv.parser import parse_stream
from pydantic import AfterValidator, ConfigDict, GetCoreSchemaHandler, PlainValidator, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

LARGEST_SECRET = 64 * 1024
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_WORD = re.compile(r"[\w-]+")
_STRICT = ConfigDict(strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class SettingsError(Exception):
    """The settings can't be used; `mistakes` holds one sentence for each thing to put right."""

    def __init__(self, mistakes: list[str]):
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Verbatim(str):
    """A text that means itself: what `env:` or `file:` led to, or what has no placeholders."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """What one table, or the environment, may hold. Every field has a default, also one that is `Required`."""

    VARIABLES: ClassVar[str] = ""  # what the names of variables begin with, where the settings are such

    def judge(self) -> Iterator[tuple[str, str]]:
        """The mistakes that no single setting shows: the settings concerned, and what is said of them. What could not
        be read at all stands at its default here; a sentence about it is left out."""
        yield from ()


# What an annotation may say besides pydantic's own words.
OWN = "no setting: whoever makes the table fills the field"
OFTEN_EMPTY = "an empty text is a value of this variable, not the absence of one"


class Required(NamedTuple):
    """It must be given. `hint`: what to do."""

    hint: str


class Expected(NamedTuple):
    """What a value must be, in words that fit behind "must be"."""

    words: str


class Named(NamedTuple):
    """What operators call the setting, where that is not the name of the field."""

    name: str


class Duration(NamedTuple):
    """A whole number of `unit`s that becomes a timedelta. The variable's name ends with the unit."""

    unit: Literal["minutes", "hours", "days"]
    least: int
    most: int

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.int_schema(strict=True, ge=self.least, le=self.most)
        return core_schema.no_info_after_validator_function(lambda n: timedelta(**{self.unit: n}), number)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be a text on one line, without control characters")
    return text


def shape(pattern: str, sentence: str) -> AfterValidator:
    """A text of that shape; `{!r}` in the sentence stands for what was given."""

    def judge(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(sentence.format(text))
        return text

    return AfterValidator(judge)


N = TypeVar("N")
Line = Annotated[str, AfterValidator(_one_line)]


@dataclass(frozen=True, eq=False)
class Setting:
    """One field of a Table. `name`: as the operator writes it. `kind`: its type without `notes`."""

    field: str
    name: str
    hint: Any
    kind: Any
    notes: tuple[object, ...]
    default: object

    def note(self, kind: type[N]) -> N | None:
        return next((note for note in self.notes if isinstance(note, kind)), None)

    @property
    def required(self) -> Required | None:
        return self.note(Required)

    @property
    def inner(self) -> type[Table] | None:
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, Table) else None

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Made when the first value comes: most settings stand at their defaults."""
        return TypeAdapter(self.hint, config=_STRICT)


_SETTINGS: dict[type[Table], dict[str, Setting]] = {}


def settings_of(table: type[Table]) -> Mapping[str, Setting]:
    """By the names that operators write, in the order of the class."""
    if table in _SETTINGS:
        return _SETTINGS[table]
    hints, found = get_type_hints(table, include_extras=True), {}
    for field in fields(table):
        kind, notes = _parts(hints[field.name])
        if OWN not in notes:
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            setting = Setting(field.name, field.name, hints[field.name], kind, notes, default)
            if table.VARIABLES:
                unit = f"_{duration.unit}" if (duration := setting.note(Duration)) else ""
                usual = f"{table.VARIABLES}{field.name}{unit}".upper()
                setting = replace(setting, name=named.name if (named := setting.note(Named)) else usual)
            found[setting.name] = setting
    _SETTINGS[table] = found  # whole: another thread may look already
    return found


def _parts(hint: Any) -> tuple[Any, tuple[object, ...]]:
    """The type and everything that Annotated says about it, nested or in a Field."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    inner, *notes = get_args(hint)
    kind, below = _parts(inner)
    inside = [one for note in notes if isinstance(note, FieldInfo) for one in note.metadata]
    return kind, (*below, *notes, *inside)


def read_env_file(path: Path) -> dict[str, str]:
    """By python-dotenv; but `${NAME}` is no reference: passwords hold such signs. Raises SettingsError."""
    if not path.is_file():
        return {}
    try:
        lines = list(parse_stream(StringIO(path.read_text("utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as trouble:
        sentence = f"{path} can't be read: {_why(trouble)}. Put that right, or take the file away."
        raise SettingsError([sentence]) from None
    wrong = [one.original.line for one in lines if one.error]
    if wrong:
        says = "write NAME=value, and a value with quotes or # in it between single quotes"
        raise SettingsError([f"{path}, line {number}, can't be read: {says}." for number in wrong])
    return {one.key: one.value for one in lines if one.key and one.value is not None}


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises SettingsError."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    # Beside TOMLDecodeError tomllib lets out ValueError (a number of thousands of digits) and RecursionError.
    except (OSError, ValueError, RecursionError) as trouble:
        raise SettingsError([f"{str(path)!r} can't be read: {_why(trouble)}."]) from None


def _why(trouble: Exception) -> str:
    return (trouble.strerror if isinstance(trouble, OSError) else "") or str(trouble) or type(trouble).__name__


def _resolved(value: object, environ: Mapping[str, str]) -> object:
    """The value with every `env:NAME` and `file:PATH` in it followed, lists as tuples. Raises ValueError."""
    if isinstance(value, Mapping):
        return {key: _resolved(one, environ) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_resolved(one, environ) for one in value)
    if not isinstance(value, str) or isinstance(value, Verbatim):
        return value
    where, mark, place = value.partition(":")
    if mark and where == "env":
        if not environ.get(place, "").strip():
            raise ValueError(f"reads the variable {place!r}, which is not set or empty: set it")
        return Verbatim(environ[place])
    return secret_file(place) if mark and where == "file" else value


def secret_file(place: str) -> Verbatim:
    """What the file holds; its last line end is not part of it."""
    reads = f"reads the file {place!r}, which"
    try:
        with Path(place).open("rb") as file:
            text = file.read(LARGEST_SECRET + 1).decode("utf-8-sig")
    except (OSError, ValueError):
        raise ValueError(f"{reads} can't be read: correct its path or who may read it") from None
    if len(text) > LARGEST_SECRET:
        raise ValueError(f"{reads} is larger than 64 KiB: name a file that holds nothing else")
    if not text.strip():
        raise ValueError(f"{reads} is empty: write the value into it")
    return Verbatim(text.rstrip("\r\n"))


def typed(table: type[Table], texts: Mapping[str, str]) -> dict[str, object]:
    """The settings that stand in variables or in a URL's query, as values of their kinds. What is none stays a text,
    which the reader then refuses; references stay, for it follows them."""
    kinds = {name: setting.kind for name, setting in settings_of(table).items()}
    return {name: _typed(kinds.get(name, str), text) for name, text in texts.items()}


def _typed(kind: Any, text: str) -> object:
    origin = get_origin(kind) or kind
    if origin in (int, timedelta):
        return int(text) if _WHOLE.fullmatch(text) else text
    if origin is float:
        return float(text) if _NUMBER.fullmatch(text) else text
    if origin is bool:
        return {"true": True, "false": False}.get(text, text)
    if origin is tuple:
        return tuple(word.strip() for word in text.split(",") if word.strip())
    if origin is dict:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def from_environment(table: type[Table], environ: Mapping[str, str]) -> dict[str, object]:
    """The variables of this table that are set, as values. Spaces around them do not count, and empty means not set."""
    texts = {}
    for name, setting in settings_of(table).items():
        text = environ.get(name, "").strip()
        if text or (name in environ and OFTEN_EMPTY in setting.notes):
            texts[name] = text
    return typed(table, texts)


T = TypeVar("T", bound=Table)
Values = dict[str, object]


def read(
    table: type[T], given: Mapping[str, object], *, environ: Mapping[str, str], called: str = "", inside: str = "",
    own: Mapping[str, object] | None = None, waived: Iterable[str] = (),
) -> tuple[T, list[str]]:  # fmt: skip
    """What was given for a table, with defaults for what can't be used, and one sentence for each mistake.

    environ: where `env:NAME` is looked up. called: what each sentence begins with, as `[sites.massar]`. inside: the
    path of an inner table, as `routes.`. own: fields that are no settings. waived: what is not required here."""
    known, mistakes, wrong = settings_of(table), list[str](), set[str]()
    found: dict[str, Any] = {}
    for name, value in given.items():
        setting = known.get(name)
        if setting is None:
            close = near(name, known)
            advice = f"correct its name{close}" if close else "take it out"
            mistakes.append(f"has no setting {inside + name!r}: {advice}")
        elif not (setting.required and value == ""):
            usable, sentences = _value(setting, value, environ, inside)
            found |= usable
            mistakes += sentences
            wrong |= {inside + name, name} if sentences else set()
    for name, setting in known.items():
        if setting.required and given.get(name, "") == "" and name not in waived:
            mistakes.append(f"{inside}{name} is missing: {setting.required.hint}")
            wrong |= {inside + name, name}
    made = table(**found, **(own or {}))
    mistakes += [said for names, said in made.judge() if not wrong & set(names.split())]
    return made, [f"{called} {said}".strip() + ("" if said.endswith(".") else ".") for said in mistakes]


def _value(setting: Setting, value: object, environ: Mapping[str, str], inside: str) -> tuple[Values, list[str]]:
    """The field with what the setting says, and a sentence for each mistake. Beside a mistake the field holds what was
    given, where the value alone is wrong, not its kind."""
    name = inside + setting.name
    if setting.inner:
        if not isinstance(value, Mapping):
            return {}, [f"{name} must be a table"]
        made, mistakes = read(setting.inner, value, environ=environ, inside=f"{name}.")
        return {} if mistakes else {setting.field: made}, mistakes
    try:
        value = _resolved(value, environ)
    except ValueError as trouble:
        return {}, [f"{name} {trouble}"]
    if isinstance(value, Verbatim) and setting.kind is not str:
        value = _typed(setting.kind, value)
    try:
        return {setting.field: setting.adapter.validate_python(value)}, []
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        of_its_kind = all(one["type"] == "value_error" for one in errors)
        made_anew = setting.note(PlainValidator) is not None
        plain = isinstance(value, str | tuple) and isinstance(setting.default, type(value)) and not made_anew
        return {setting.field: value} if of_its_kind and plain else {}, _sentences(setting, name, value, errors)


def _sentences(setting: Setting, name: str, value: object, errors: list[ErrorDetails]) -> list[str]:
    """What its own judges say and wrong choices, each; or one sentence about its kind."""
    sentences = []
    for one in errors:
        steps = [step for step in one["loc"] if isinstance(step, str) and step != "[key]"]
        place = ".".join([name, *(step if _WORD.fullmatch(step) else repr(step) for step in steps)])
        if one["type"] == "value_error":
            sentences.append(f"{place} {one['ctx']['error']}")
        elif one["type"] == "literal_error":
            given, choices = one["input"], re.findall(r"'([^']*)'", one["ctx"]["expected"])
            shown = isinstance(given, str) and not isinstance(given, Verbatim) and len(given) < 60
            said = f"is {given!r}" if shown else "is none of its values"
            sentences.append(f"{place} {said}: choose {one_of(choices)}{near(str(given), choices)}")
        else:
            number = setting.kind in (int, float, timedelta) and isinstance(value, str) and len(value) < 40
            return [f"{name} must be {expected(setting)}" + (f", not {value!r}" if number else "")]
    return sentences


def expected(setting: Setting) -> str:
    if said := setting.note(Expected):
        return said.words
    if duration := setting.note(Duration):
        return f"a whole number from {duration.least} to {duration.most}"
    least, most = setting.note(Ge), setting.note(Le)
    limits = f" from {least.ge} to {most.le}" if least and most else ""
    if setting.kind in (int, timedelta):
        return f"a whole number{limits}"
    if setting.kind is float:
        return f"a number{limits}"
    if get_origin(setting.kind) is tuple:
        numbers = int in get_args(setting.kind)
        return "a list of whole numbers, as [0, 2]" if numbers else 'a list of texts, as ["…", "…"]'
    if get_origin(setting.kind) is dict:
        return 'a table of texts, as { name = "…" }'
    return "true or false" if setting.kind is bool else "a text"


def near(name: str, known: Iterable[str]) -> str:
    """', perhaps x' where a known name is close to it; otherwise ''."""
    return "".join(f", perhaps {close}" for close in difflib.get_close_matches(name[:60], list(known), n=1) if close)


def one_of(names: Iterable[str]) -> str:
    """`a, b or c`; an empty one in quotes."""
    *others, last = [name or '""' for name in names]
    return f"{', '.join(others)} or {last}" if others else last
