"""What messages say: one template per message, language and channel, under `wording/<language>/`; or one for all
languages, beside the words of each.

Rendering needs no database and no HTTP. The values are cleaned before they reach a template: control and
bidirectional marks never travel, and what goes into a French or English SMS is brought into GSM-7."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from massar.core import local_time

from .sms_text import GSM7, measure

TEMPORARY_PASSWORD, VOUCHING_CODE = "temporary_password", "vouching_code"
CONTACT_CODE, LOSS_CODE = "contact_code", "loss_code"
NOTICE, TRIAL, REMINDER = "notice", "trial", "reminder"
REMINDERS = ("contacts", "phones")
EVENTS = (
    "password_changed", "password_recovered", "contact_added", "contact_change_waiting", "contact_removed",
    "contact_change_cancelled", "recovery_closed", "new_device", "factor_added", "factor_removed", "backup_codes_made",
    "passkey_copied", "browser_let_in", "factors_lost", "factors_found", "factors_removed", "account_frozen",
    "account_reopened", "factors_dropped", "child_recovered", "child_contact", "child_frozen", "account_activated",
    "slip_printed", "class_code_given",
    "desk_unmasked", "desk_recovery",
    "desk_approved", "desk_colleague", "desk_factors_lost", "desk_declined", "child_linked", "guardian_linked",
    "child_unlinked", "guardian_unlinked",
)  # fmt: skip
LANGUAGES = ("ar", "fr", "en")
CHANNELS = ("email", "sms")


class Rendered(NamedTuple):
    """`subject` is empty and `html` None for an SMS. `text` has `\\n` line ends and none at its end."""

    subject: str
    text: str
    html: str | None


_VALUES = {  # those that a template must have, and those that it may have
    TEMPORARY_PASSWORD: ({"secret", "valid_until"}, {"valid_date", "host", "help", "child"}),
    VOUCHING_CODE: ({"secret", "valid_until"}, {"valid_date", "host", "help"}),
    CONTACT_CODE: ({"code", "valid_until"}, {"valid_date", "host", "help"}),
    LOSS_CODE: ({"code", "valid_until"}, {"valid_date", "host", "help"}),
    NOTICE: (
        {"event", "when"},
        {"device", "contact", "whom", "counts_from", "dropped", "cancel_url", "not_me_url", "host", "help", "child"},
    ),
    TRIAL: ({"when"}, {"host", "help", "lines"}),
    REMINDER: ({"what"}, {"day", "host", "help"}),
}
# 70 units of Arabic can't say what happened, when, and whom to call; nobody waits for a notice.
_MOST_SEGMENTS = {(name, language): 1 for name in _VALUES for language in LANGUAGES} | {(NOTICE, "ar"): 2}
_SECRET_FIELD = {TEMPORARY_PASSWORD: "secret", VOUCHING_CODE: "secret", CONTACT_CODE: "code", LOSS_CODE: "code"}

_LONGEST_CHILD = 13  # signs of a child's first name in an SMS: with them the Arabic one fills its segment
_DAY = "EEEE d MMMM y"
_MASK = "•*…"
_BREAKS = ("Cc", "Zl", "Zp")  # categories of signs that end a line or steer a terminal
_PHONE_ENDING = "الهاتف المنتهي بالرقمين"
# What people's own values (a help line, a device) may hold that GSM-7 does not.
_GSM_TWINS = str.maketrans(
    dict(zip("’‘“”«»–—•·\u00a0\u202f`", '\'\'""""--*-  \'', strict=True)) | {"…": "...", "œ": "oe", "Œ": "OE"}
)

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_suffix("")), autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def render(template: str, *, language: str, channel: str, values: Mapping[str, object]) -> Rendered:
    """The words of one message.

    template: TEMPORARY_PASSWORD or VOUCHING_CODE (values secret, valid_until; optional valid_date, host, help),
    CONTACT_CODE or LOSS_CODE (code, valid_until; the same options), TRIAL (when; optional lines, a number of numbered
    lines that an SMS goes on with; an operator tries a provider), REMINDER (what of REMINDERS; optional day, written as
    people read it, host, help) or NOTICE (event of EVENTS, when; optional device, contact (masked), child, counts_from,
    dropped (masked contacts; e-mail only), cancel_url and not_me_url (e-mail only), host, help). Empty and None are
    "not there". Moments may be aware datetimes, which are written in the country's time, or text that is written
    already. Raises KeyError for an unknown template, language, channel, event or value, or a missing one."""
    if language not in LANGUAGES or channel not in CHANNELS or template not in _VALUES:
        raise KeyError(f"no wording for {template!r} in {language!r} by {channel!r}")
    required, optional = _VALUES[template]
    missing = required - {name for name, value in values.items() if value not in (None, "")}
    unknown = set(values) - required - optional
    if missing or unknown:
        raise KeyError(f"{template}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    if template == NOTICE and values["event"] not in EVENTS:
        raise KeyError(f"no notice of {values['event']!r}")
    if template == REMINDER and values["what"] not in REMINDERS:
        raise KeyError(f"no reminder of {values['what']!r}")
    return (_sms if channel == "sms" else _email)(template, language, values)


def most_segments(template: str, language: str) -> int:
    return _MOST_SEGMENTS[template, language]


def _sms(template: str, language: str, values: Mapping[str, object]) -> Rendered:
    ready = _prepared(
        template, values, lambda when: format_datetime(local_time.local(when), "dd/MM HH:mm", locale="en_GB")
    )
    if language == "ar":
        ready |= _readable_in_plain_arabic(ready)
    else:
        # What GSM-7 lacks is replaced by its nearest sign: ê becomes e, ’ becomes '.
        ready = {name: "".join(map(_gsm7_sign, value.translate(_GSM_TWINS))) for name, value in ready.items()}
    host, help_line = ready.pop("host"), ready.pop("help")
    if len(ready.get("child", "")) > _LONGEST_CHILD:
        ready["child"] = ready["child"].split()[0][:_LONGEST_CHILD]
    body = _template(template, language, "sms.txt")
    text = body.render(ready, help=help_line)
    size = measure(text)
    if size.segments > most_segments(template, language) or (language != "ar" and size.offenders):
        text = body.render(ready, help="")  # one as long as an office's whole address must not make it cost more
    if template in _SECRET_FIELD and host:
        # The last line that lets a phone offer the code to this site only (WICG sms-one-time-codes). It may
        # cost nothing: never a second segment, and only where the alphabet is the safe one.
        bound = f"{text}\n\n@{host} #{ready[_SECRET_FIELD[template]]}"
        size = measure(bound)
        if size.segments == 1 and size.encoding == GSM7:
            text = bound
    return Rendered("", text, None)


def _email(template: str, language: str, values: Mapping[str, object]) -> Rendered:
    ready = _prepared(template, values, lambda when: local_time.day_time(when, language))
    until = values.get("valid_until")
    if isinstance(until, datetime):
        ready["valid_date"] = format_datetime(local_time.local(until), _DAY, locale=local_time.LOCALES[language])
    ready |= {"language": language, "direction": "rtl" if language == "ar" else "ltr"}
    plain = ready | (_readable_in_plain_arabic(ready) if language == "ar" else {})
    subject = _template(template, language, "subject.txt").render(plain)
    text = _template(template, language, "email.txt").render(plain).strip("\n")
    html = _template(template, language, "email.html").render(ready, subject=subject)
    return Rendered(" ".join(subject.split()), re.sub(r"\n{3,}", "\n\n", text), html)


def _prepared(template: str, values: Mapping[str, object], written: Callable[[datetime], str]) -> dict[str, str]:
    """`valid_until` is a clock time alone, which is what the eye looks for."""
    ready = dict.fromkeys(set.union(*_VALUES[template], {"contact"}), "")
    for name, value in values.items():
        if isinstance(value, datetime):
            ready[name] = local_time.clock_time(value) if name == "valid_until" else written(value)
        elif value is not None:
            ready[name] = _clean(str(value))
    return ready


def _clean(value: str) -> str:
    """One line without control, bidirectional or other invisible marks."""
    spaced = (
        "" if (kind := unicodedata.category(sign)) == "Cf" else " " if kind in _BREAKS else sign for sign in value
    )
    return "".join(spaced).strip()


def _readable_in_plain_arabic(ready: Mapping[str, str]) -> dict[str, str]:
    """Numbers that read right inside right-to-left text, where no isolating mark may stand. The bidirectional algorithm
    (UAX #9) lays the groups of `0800 00 11` out from right to left, turns `06••••22` round, because bullets are neutral
    between two numbers, and throws signs at an edge to the other side. So groups are closed up, a leading plus becomes
    00, and a masked contact is described."""
    closed = re.sub(r"(?<=\d)[ .\u00a0-](?=\d)", "", ready["help"])
    words = {"help": re.sub(r"\+(?=\d)", "00", closed), "contact": _contact_in_words(ready["contact"])}
    if ready.get("dropped"):
        words["dropped"] = "، ".join(map(_contact_in_words, ready["dropped"].split(" · ")))
    return words


def _contact_in_words(masked: str) -> str:
    if any(sign.isalpha() for sign in masked):
        return masked.rstrip(_MASK)
    ending = re.search(r"\d{1,4}$", masked)
    return f"{_PHONE_ENDING} {ending[0][-2:]}" if ending else masked


@lru_cache(maxsize=2048)  # the same few signs in every message: more than half of writing one, without it
def _gsm7_sign(sign: str) -> str:
    if not measure(sign).offenders:
        return sign
    plain = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    return plain if plain and not measure(plain).offenders else "?"


@cache
def _template(template: str, language: str, kind: str) -> Template:
    return _templates.select_template([f"{language}/{template}.{kind}", f"{template}.{kind}"])
