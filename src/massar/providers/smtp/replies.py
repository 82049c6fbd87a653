"""What a mail server's no means: about us, about the recipient, about this letter, or that it is busy (RFC 5321 §4.2,
RFC 3463, RFC 7504).

The stage comes first. Before a recipient is named, nothing can be his fault. At RCPT an answer is about that recipient,
unless it names us. After RCPT was accepted no 5xx means "no such mailbox". Then the enhanced code, then the words: mail
servers and the services behind them have no code of their own for a quota or a sender that is not verified."""

import re

from massar.domain.delivery.bounce_words import is_restricted
from massar.domain.delivery.provider import MESSAGE, NOTHING, RECIPIENT, NotTransmitted, Rejected

GREETING, HELLO, SIGN_IN, MAIL, RCPT, DATA, END = (
    "greeting", "EHLO", "sign-in", "MAIL", "RCPT", "DATA", "the end of the message",
)  # fmt: skip
_ABOUT = {RCPT: RECIPIENT, DATA: MESSAGE, END: MESSAGE}
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")
_OVERLOADED = ("4.3.1", "4.3.2", "4.4.5")  # RFC 3463: no room, not accepting mail now, congestion
# Sign-in, its mechanism, and commands that the server does not take (RFC 4954 §6, RFC 5321 §4.2.2).
_OUR_CODES = (500, 502, 503, 504, 530, 534, 535, 538, 555)
_OUR_DETAILS = {
    "1": {7, 8, 90},  # the sender's address (RFC 3463); 90 is Exchange Online's daily limit
    "4": {5},  # Gmail's sending quota
    "7": {3, 8, 9, 11, 13, 14, *range(20, 28), 57, 60, 64},  # sign-in (RFC 4954), DKIM, SPF, PTR (RFC 7372), Exchange
}
_OUR_POLICIES = 500  # 5.7.500 and more: Exchange Online about sender, tenant and network address
_MAILBOX = {
    "1": set(range(1, 12)) - {7, 8},
    "2": set(range(1, 5)) | {121, 122},
}  # what codes say of address and mailbox

# Words count up to where another server is quoted, and without addresses: both may be anybody's.
_QUOTED = re.compile(r"\b(?:said|says|responded|response|answered)\b\s*:?", re.IGNORECASE)
_ADDRESS = re.compile(r"<[^>]*>|\S+@\S+")
_INSIDE_A_NAME = re.compile(r"(?<=[a-z])(?=[A-Z])")  # DailyQuotaExceeded: services name their faults as programs do
_LETTERS = r"(?:e-?mails|mails|messages)"
_BOUND = rf"(?:quotas?|limite?s?|credits?|funds|allowance|allotment|balance|number of {_LETTERS})"
_SPENT = re.compile(
    rf"\b{_BOUND}\b.{{0,60}}\b(?:exceed\w*|reached|spent|exhausted|used up|over|d\S{{1,2}}pass\S*|atteinte?)\b"
    rf"|\b(?:exceed\w*|reached|over|out of|insufficient|not enough)\b.{{0,60}}\b{_BOUND}\b|\bno (?:more )?credits?\b"
    rf"|\btoo many {_LETTERS}\b|\bout of {_LETTERS}\b"
)
_OF_SENDING = re.compile(
    r"\bsend(?:ing|er'?s?)?\b|\bsent\b|submission|outbound|outgoing|\brelay|\bdaily\b|\bhourly\b|\bweekly\b|\bmonthly\b"
    r"|\bcredits?\b|\bper (?:second|minute|hour|day|week|month)\b|\b24[- ]?h"
)
_OF_MAILBOX = re.compile(
    r"mail ?box|in-?box|storage|\bdisk\b|\bsize\b|too (?:big|large)|receiv\w*|\bover quota\b"
    r"|recipient'?s? (?:has|is|would|over)"
    r"|\b(?:to|for) (?:(?:this|the|that) )?(?:recipient|user|address)\b"
)
_RECIPIENT_NAMED = re.compile(
    r"recipient (?:address )?(?:rejected|refused|unknown)|restricted|resolver\.(?:rst|adr)|allowed[- ]senders"
    r"|\bto (?:this|the|that) (?:recipient|group|user|mailbox|address|list)"
)
_WE_NAMED = re.compile(
    r"\brelay(?:ing|ed)?\b(?!\.)|authenticat|\bauth\b|sign in|log(?:ged)? ?in\b|starttls|\btls\b"
    r"|\bclient (?:host|address|was not)|\bhelo\b|\behlo\b|reverse dns|\bptr\b|unauthori[sz]ed (?:ip|client|host)"
    r"|blocked using|block ?list|black ?list|\brbl\b|dnsbl|spamhaus|reputation|\bspf\b|\bdkim\b|\bdmarc\b"
    r"|\d(?:\.\d{1,3}){3}\b.{0,60}\b(?:block|list|ban|den|reject)"
    r"|\bsenders?\b|send ?as|send on behalf|\bfrom[: ](?:address|header|domain)|not (?:yet )?verified|unverified"
    r"|not (?:allowed|permitted|authori[sz]ed) to (?:send|perform|submit)\b(?! to)|(?:verify|activate) your|rcpthosts"
    r"|\bsending (?:activity|privilege|(?:is |was |has been )?(?:suspended|paused|disabled|blocked))"
    r"|\byour (?:account|domain|ip|host|server|network|plan|message limit)\b"
)


def judged(code: int, words: bytes | str, stage: str) -> Rejected | NotTransmitted:
    """The server's no at that stage. Its free text is left out: it often repeats the address."""
    about = _ABOUT.get(stage, NOTHING)
    if not 400 <= code <= 599:
        return NotTransmitted(f"the server answered {code} at {stage}", about)
    text = (words if isinstance(words, str) else words.decode("ascii", "replace")).strip()
    found = _ENHANCED.match(text)
    enhanced = found[0] if found else ""
    told = " ".join(filter(None, (str(code), enhanced, "at", stage)))
    subject, detail = (found[2], int(found[3])) if found else ("", 0)
    if code == 421 or enhanced in _OVERLOADED:
        return Rejected(told, permanent=False, busy=True, about=about)
    if about == NOTHING:
        return Rejected(told, permanent=False, configuration_error=code >= 500)
    # The server's own words, small; each line of an answer begins with its code again.
    own = _QUOTED.split(_ENHANCED.sub(" ", _ADDRESS.sub(" ", text)), maxsplit=1)[0]
    if _is_ours(code, subject, detail, " ".join(_INSIDE_A_NAME.sub(" ", own).lower().split())):
        return Rejected(told, permanent=False, configuration_error=True, about=MESSAGE)
    if stage == RCPT:
        return _of_recipient(code, told, subject, detail)
    of_mailbox = detail in _MAILBOX.get(subject, ())
    ours, about = code >= 500 and not of_mailbox, RECIPIENT if of_mailbox else MESSAGE
    return Rejected(told, permanent=False, configuration_error=ours, about=about)


def _of_recipient(code: int, told: str, subject: str, detail: int) -> Rejected:
    """A mail system's own trouble (x.3.x) is no one domain's. A policy may be this server's alone, an address not."""
    about = MESSAGE if subject == "3" else RECIPIENT
    if code < 500 or subject == "3" or (code == 501 and not subject):
        return Rejected(told, permanent=False, about=about)
    plain = detail in _MAILBOX.get(subject, ()) or (not subject and code != 554) or subject == "2"
    return Rejected(told, permanent=True, about=about, elsewhere=not plain)


def _is_ours(code: int, subject: str, detail: int, words: str) -> bool:
    """Whether what was said about a recipient or a letter names us: account, sender, network address, quota."""
    if _spent(code, subject, words):
        return True
    if code < 500 or is_restricted(f"{subject}.{detail}"):
        return False
    if code in _OUR_CODES or detail in _OUR_DETAILS.get(subject, ()) or (subject == "7" and detail >= _OUR_POLICIES):
        return True
    if re.search(r"send ?as", words):
        return True
    if detail in _MAILBOX.get(subject, ()) or _RECIPIENT_NAMED.search(words):
        return False
    return _WE_NAMED.search(words) is not None


def _spent(code: int, subject: str, words: str) -> bool:
    """A quota of sending, and not of a mailbox (x.2.x, and 552 by itself, RFC 5321 §4.2.3)."""
    if not _SPENT.search(words) or _OF_MAILBOX.search(words):
        return False
    return bool(_OF_SENDING.search(words)) or (subject not in ("1", "2") and code != 552 and code >= 500)
