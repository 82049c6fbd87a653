"""Steps that many stories share, and what a page or a message says, by message id."""

import html
import re
from types import SimpleNamespace

from massar.config.environment import load
from massar.domain.people.api import PersonFacts
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.people.import_people import NewPerson
from tests.support.visitor import TEMPORARY, Post, Visitor
from tests.support.words import saying

PRODUCTION = {
    "MASSAR_MODE": "production",
    "MASSAR_PUBLIC_URL": "https://compte.example.ma",
    "MASSAR_SECRET_KEY": "an-own-secret-key-of-this-installation-0123456789",
    "MASSAR_DATA_KEYS": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "MASSAR_AUDIT_KEY": "YW4tYXVkaXQta2V5LW9mLXRoaXMtaW5zdGFsbGF0aW8=",
    "MASSAR_DATABASE_URL": "postgres://massar:secret-of-db@db.example.ma:5432/massar",
    "MASSAR_EMAIL_URL": "smtp+starttls://mail.example.ma:587",
    "MASSAR_SMS_URL": "https://sms.example.ma/send",
    "MASSAR_HELP_CONTACT": "0537 00 00 00",
    "MASSAR_VAR": "/tmp/massar-production",
}
_CHANGING = re.compile(r'(name="(?:csrfmiddlewaretoken|ask_id)"|id="id_user"[^>]*?) value="[^"]*"')
_CHALLENGE = re.compile(r' data-options="[^"]*"')
_TAG = re.compile(r"<[^>]*>")
_ACTION = re.compile(r'action="([^"]+)"')


def shown(visitor: Visitor) -> str:
    """The words of the page in front of us, without tags."""
    return html.unescape(_TAG.sub("", visitor.html))


def plain(visitor: Visitor) -> str:
    """The page without its random tokens and the user name that was typed."""
    return _CHALLENGE.sub("", _CHANGING.sub(r"\1", visitor.html))


def shows(visitor: Visitor, id: str, language: str = "ar") -> bool:
    """Whether the page says the sentence behind an id."""
    return saying(language, id).search(shown(visitor)) is not None


def actions(visitor: Visitor, ending: str) -> list[str]:
    """The forms of the page whose address ends so."""
    return [a for a in _ACTION.findall(visitor.html) if a.endswith(ending)]


def secrets(post: Post, to: str) -> list[str]:
    """The temporary password of every message that has one, oldest first."""
    return [found[0] for m in post.messages(to) if (found := TEMPORARY.findall(m.text))]


def home(person: NewPerson) -> Visitor:
    """A new browser in which the person has signed in."""
    return Visitor().sign_in(person.login, person.password)


def in_session(person: PersonFacts) -> SignedIn:
    """A person as a journey is given them, in a session that has no row and in which no factor was proved."""
    return SignedIn(person, SimpleNamespace(id=None, second_at=None))


def holding(**cookies: str) -> Visitor:
    """A browser with these cookies and no others: holding(session=…) has `massar-session`."""
    visitor = Visitor()
    for name, value in cookies.items():
        visitor.client.cookies[f"massar-{name}"] = value
    return visitor


def recover(post: Post, person: NewPerson, to: str, new: str) -> Visitor:
    """A new browser asks by that contact, signs in with what arrives there, and saves the new password."""
    visitor = Visitor().ask(person.login, **{"email" if "@" in to else "phone": to})
    secret = post.secret(to)
    return visitor.sign_in(person.login, secret).change(secret, new)


def save_contact(visitor: Visitor, password: str, **contact: str) -> Visitor:
    """save_contact(v, password, email=…) or phone=…: typed into the profile; the code goes out."""
    return visitor.get("/profile/").submit("/profile/", password=password, **contact)


def prove_contact(visitor: Visitor, post: Post, to: str) -> Visitor:
    """The code that arrived there, typed into the page."""
    code = post.code(to)
    prove = actions(visitor.get("/profile/"), "/prove/")
    assert len(prove) == 1, f"one contact waits for its code, not {len(prove)}"
    return visitor.submit(prove[0], code=code)


def production(**changed: str):
    """Settings of a production installation at https://compte.example.ma, with the given variables changed."""
    return load({k: v for k, v in {**PRODUCTION, **changed}.items() if v is not None})
