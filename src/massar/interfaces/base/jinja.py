"""The template environment: escaping always on, words only through `t`, times only through Moroccan clock functions."""

from functools import lru_cache
from typing import Any

from django.contrib.staticfiles.storage import staticfiles_storage
from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from massar.core import local_time, phone


def t(message_id: str, **args: object) -> Markup:
    """Return the message in the page's language; its arguments are escaped unless they are markup already."""
    return _filled(gettext(message_id), args)


def n(message_id: str, count: int, **args: object) -> Markup:
    """Return it with the plural form that `count` asks for (Arabic has six)."""
    return _filled(ngettext(message_id, message_id, count), {"count": count, **args})


def _filled(text: str, args: dict[str, object]) -> Markup:
    return escape(text) % {k: escape(v) for k, v in args.items()} if args else escape(text)


def ltr(value: object) -> Markup:
    """Have a login, number, address or code read left to right wherever it stands."""
    return Markup('<bdi dir="ltr">{}</bdi>').format(value)


def bdi(value: object) -> Markup:
    """Keep somebody's own text from turning the sentence around it."""
    return Markup("<bdi>{}</bdi>").format(value)


_by_name = lru_cache(1000)(reverse)  # one page asks for some twenty


def url(name: str, *args: object, **kwargs: object) -> str:
    """Return the address of a page by its name. What is in an address, a token say, is kept nowhere."""
    return reverse(name, args=args or None, kwargs=kwargs or None) if args or kwargs else _by_name(name)


def _language() -> str:
    return (get_language() or "ar")[:2]


def environment(**options: Any) -> Environment:
    ours = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    env = Environment(**{**options, **ours})  # noqa: S701 - autoescape is on, in the line above
    env.globals.update(
        t=t, n=n, ltr=ltr, bdi=bdi, static=staticfiles_storage.url, url=url, clock_time=local_time.clock_time,
        day_time=lambda moment: local_time.day_time(moment, _language()),
        short_time=lambda moment: local_time.short(moment, _language()),
        contact_shown=lambda contact: phone.shown(contact.value) if contact.kind == "phone" else contact.value,
    )  # fmt: skip
    return env
