"""The registered sites: one TOML file over the six of the guide (`defaults.toml`).

An operator's file (MASSAR_CONFIG) adds sites or overrides single values of the six. Every mistake is one sentence.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from massar.domain.sites import rules
from massar.domain.sites.site import Registry, Site

DEFAULTS = Path(__file__).with_name("defaults.toml")
TABLES = ("sites", "providers")  # what may stand in the file; the providers judge their own
CONNECTS = {"redirect_uris": "oidc", "acs": "saml", "gate_origin": "gate"}  # setting -> the protocol that reads it


class RegistryError(Exception):
    """The registry can't be used; `mistakes` holds one sentence for each thing to put right."""

    def __init__(self, mistakes: list[str]):
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def load(path: str | Path | None, environ: Mapping[str, str] | None = None) -> Registry:
    """The six of the guide with the operator's file over them. Raises RegistryError with every mistake.

    environ: where `env:NAME` is looked up; None: the process's own.
    """
    mistakes: list[str] = []
    tables = tomllib.loads(DEFAULTS.read_text("utf-8"))["sites"]
    for slug, values in _own(path, mistakes).items():
        tables[slug] = {**tables.get(slug, {}), **values}
    environ = dict(os.environ) if environ is None else environ
    sites = [_site(slug, values, environ, mistakes) for slug, values in tables.items()]
    _unique(sites, mistakes)
    if mistakes:
        raise RegistryError(mistakes)
    return Registry(sites)


def _own(path: str | Path | None, mistakes: list[str]) -> dict[str, dict]:
    """The operator's tables of sites, by slug; what is no table is told and left out."""
    own = parsed(path) if path else {}
    for name in own:
        if name not in TABLES:
            wish = f"write [sites.NAME] or [providers.NAME]{rules.near(name, TABLES)}"
            mistakes.append(f"the file has a table or value {name!r}, which nothing reads: {wish}.")
    sites = own.get("sites", {})
    if not isinstance(sites, dict):
        mistakes.append("sites must be tables: write [sites.NAME] above the settings of each site.")
        return {}
    for slug in (slug for slug, values in sites.items() if not isinstance(values, dict)):
        mistakes.append(
            f"{_called(slug)} must be a table: write {_called(slug)} on a line of its own above its settings."
        )
    return {slug: values for slug, values in sites.items() if isinstance(values, dict)}


def parsed(path: str | Path) -> dict:
    """The file as tomllib reads it. Raises RegistryError where it can't be read.

    Beside TOMLDecodeError tomllib lets out ValueError (a number of thousands of digits) and RecursionError.
    """
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as trouble:
        raise RegistryError([f"{path} can't be read: {trouble}"]) from trouble


def _called(slug: str) -> str:
    """The head of a site's table, on one line whatever it holds."""
    return f"[sites.{slug}]" if slug.replace("-", "_").isidentifier() else f"[sites.{slug!r}]"


def _site(slug: str, values: dict, environ: Mapping[str, str], mistakes: list[str]) -> Site:
    """The site of what can be read of the table; everything else is told."""
    read, wrong = {}, set()
    for name, value in values.items():
        try:
            read[name] = _value(name, value, environ)
        except _Wrong as mistake:
            mistakes.append(f"{_called(slug)} {mistake}")
            wrong.add(name)
    if "protocol" not in values:  # with `protocol = "none"` a connected site can be closed for a while
        for name in set(CONNECTS) & set(values):
            mistakes.append(f'{_called(slug)} has {name} but no protocol: add protocol = "{CONNECTS[name]}".')
    site = Site(slug, **read)
    mistakes += [f"{_called(slug)} {said}" for about, said in rules.judged(site) if not wrong & set(about.split())]
    return site


class _Wrong(Exception):
    """One setting can't be read; the message is the rest of the sentence."""


def _value(name: str, value: object, environ: Mapping[str, str]) -> object:
    """What the setting says, lists as tuples. Raises _Wrong."""
    if name not in _SETTINGS:
        close = rules.near(name, _SETTINGS)
        raise _Wrong(f"has no setting {name!r}: {f'correct its name{close}' if close else 'take it out'}.")
    wanted, fits = _SETTINGS[name]
    if not fits(value):
        raise _Wrong(f"{name} must be {wanted}.")
    if isinstance(value, list):
        return tuple(_from_environment(name, one, environ) for one in value)
    if isinstance(value, dict):
        return {key: _from_environment(name, one, environ) for key, one in value.items()}
    return _from_environment(name, value, environ)


def _from_environment(name: str, value: object, environ: Mapping[str, str]) -> object:
    """`env:NAME` is read from the environment: secrets need not stand in the file."""
    if not isinstance(value, str) or not value.startswith("env:"):
        return value
    found = environ.get(value[4:])
    if not found:
        raise _Wrong(f"{name} reads {value[4:]!r} from the environment, which does not hold it: set that variable.")
    return found


def _list_of(kind: type) -> Callable[[object], bool]:
    return lambda value: type(value) is list and all(type(one) is kind for one in value)


def _table_of_texts(value: object) -> bool:
    return type(value) is dict and all(type(one) is str for one in value.values())


# By annotation of Site: what to tell the operator, and whether a value of the file fits. A bool is no int here.
_KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "str": ("a text, in quotes", lambda value: type(value) is str),
    "int": ("a whole number", lambda value: type(value) is int),
    "bool": ("true or false", lambda value: type(value) is bool),
    "dict[str, str]": ('a table of texts by language, as { fr = "…", ar = "…" }', _table_of_texts),
    "tuple[str, ...]": ('a list of texts, as ["…", "…"]', _list_of(str)),
    "tuple[int, ...]": ("a list of whole numbers, as [0, 2]", _list_of(int)),
    "tuple[dict, ...]": ("a list of tables, one for each key", _list_of(dict)),
    "tuple[str, ...] | dict[str, str]": (
        'a list of texts, as ["email", "name"], or a table of texts, as { IDPEmail = "email" }',
        lambda value: _list_of(str)(value) or _table_of_texts(value),
    ),
}
_SETTINGS = {field.name: _KINDS[field.type] for field in fields(Site) if field.name != "slug"}


def _unique(sites: list[Site], mistakes: list[str]) -> None:
    for what in ("client_id", "entity_id", "gate_origin"):
        seen: dict[tuple[str, str], str] = {}
        for site in sites:
            value = getattr(site, what)
            known = (value, site.our_entity if what == "entity_id" else "")
            if value and known in seen:
                both = f"{_called(site.slug)} and {_called(seen[known])}"
                wish = (
                    ", or an our_entity of its own where the other side has one name for both"
                    if what == "entity_id"
                    else ""
                )
                mistakes.append(f"{both} have the same {what}: each site needs its own{wish}.")
            seen[known] = site.slug
