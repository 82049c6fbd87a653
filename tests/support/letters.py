"""Every message that the product writes, at its longest, and the letter that leaves for it."""

from datetime import UTC, datetime

from massar.domain.delivery.provider import OutboundMessage
from massar.domain.delivery.wording import (
    CONTACT_CODE,
    EVENTS,
    LOSS_CODE,
    NOTICE,
    REMINDER,
    REMINDERS,
    TEMPORARY_PASSWORD,
    TRIAL,
    VOUCHING_CODE,
    render,
)
from massar.providers.smtp.mime import build_mime

SECRET, CODE = "kdmwt-47392", "482913"
# In the month with the longest names there are; Morocco is at +00 since 20 September 2026.
UNTIL = datetime(2026, 9, 30, 22, 55, tzinfo=UTC)
LONG_HELP = "المديرية الإقليمية للتربية الوطنية والتعليم الأولي والرياضة – Direction provinciale, 05 37 68 72 54"
CANCEL = "https://compte.men.gov.ma/cancel/Zk3_x1"
NOT_ME = "https://compte.men.gov.ma/not-me/Zk3_x1/"
OURS = {"host": "compte.men.gov.ma", "help": "+212 5 37 68 72 54"}
LONGEST = {
    TEMPORARY_PASSWORD: {"secret": SECRET, "valid_until": UNTIL, **OURS},
    VOUCHING_CODE: {"secret": SECRET, "valid_until": UNTIL, **OURS},
    CONTACT_CODE: {"code": CODE, "valid_until": UNTIL, **OURS},
    LOSS_CODE: {"code": CODE, "valid_until": UNTIL, **OURS},
    TRIAL: {"when": UNTIL},
    REMINDER: {"day": "mercredi 30 septembre 2026", **OURS},
    NOTICE: {"when": UNTIL, "device": "Samsung Internet 27 – Android", "contact": "k•••@etu.univ-mohammed5.ac.ma",
             "counts_from": UNTIL, "cancel_url": CANCEL, "not_me_url": NOT_ME, **OURS},
}  # fmt: skip
CHILD = {"child": "فاطمة الزهراء"}
CASES = (
    [(TEMPORARY_PASSWORD, ""), (VOUCHING_CODE, ""), (CONTACT_CODE, ""), (LOSS_CODE, ""), (TRIAL, "")]
    + [(NOTICE, event) for event in EVENTS]
    + [(REMINDER, what) for what in REMINDERS]
)
UID = "aaaaabbbbbcccccdddddz"
MADE = datetime(2026, 11, 29, 14, 51, tzinfo=UTC)
MINISTRY = {
    "ar": "مسار – وزارة التربية الوطنية والتعليم الأولي والرياضة، المديرية الإقليمية",
    "fr": "Massar – Ministère de l’Éducation nationale, du Préscolaire et des Sports (direction provinciale)",
    "en": "Massar, Ministry of National Education, Preschool and Sports (provincial directorate)",
}


def rendered(template, event, language, channel, **changes):
    """A message with the longest values there may be, but for `changes`."""
    of_child = CHILD if event.startswith("child_") else {}
    named = {"what" if template == REMINDER else "event": event} if event else {}
    if template == REMINDER and channel == "sms":
        named["day"] = "30/09"
    values = {**LONGEST[template], **named, **of_child, **changes}
    return render(template, language=language, channel=channel, values=values)


def made(message: OutboundMessage, *, to: str = "khadija@example.org", sender_name: str = "Massar") -> bytes:
    """The letter as it leaves: headers and parts, encoded."""
    return build_mime(message, to, "no-reply@example.ma", sender_name)


def outgoing(subject: str, text: str, html: str | None = None, language: str = "ar") -> OutboundMessage:
    return OutboundMessage(UID, "email", "khadija@example.org", language, subject, text, html, written_at=MADE)
