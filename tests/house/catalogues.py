"""The files of words, and the templates that ask for them."""

from functools import cache

from babel.messages import Message
from babel.messages.pofile import read_po

from tests.house.laws import PRODUCT

LANGUAGES = ("ar", "fr", "en")
LOCALES = PRODUCT / "locale"
INTERFACES = PRODUCT / "interfaces"
TEMPLATES = sorted(INTERFACES.glob("**/templates/**/*.html"))


@cache
def catalogue(language: str) -> dict[str, Message]:
    """Message id -> message, as the file of words has them."""
    with (LOCALES / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        read = read_po(file, locale=language, abort_invalid=True)
    return {id_of(message): message for message in read if message.id}


def id_of(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def sentences(message: Message) -> tuple[str, ...]:
    """All plural forms of a message, or the one sentence it has."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)
