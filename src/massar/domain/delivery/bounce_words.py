"""What a server's own words say about a letter it did not take, where the code beside them says too little or too much.

The same code means different things: outlook.com says 5.5.0 and Yahoo no code of a mailbox that does not exist,
Exchange Online 5.4.1; Gmail says 5.2.1 of one that gets too much mail just now. Words are looked at in this order:
what can only be about a living mailbox, what is about us, and only then that there is none; a doubt flags nobody."""

import re

GONE, LIVES, ABOUT_US = "gone", "lives", "about us"
_RESTRICTED = {*range(124, 194), 504, 505, 507, 513}  # x.7.N: Exchange about who may write to this recipient
_MOST = 4096  # signs: the longest answers have some ten lines

# Nothing that only looks like a reason: addresses, links, the code that begins each line of a long answer, and what
# Cisco's and Amazon's servers write above every answer of another.
_NOISE = re.compile(
    r"5\.1\.0 - unknown address error|<[^<>\s]{0,320}>|[^\s<>@]{1,64}@\S{1,255}|https?://\S+"
    r"|(?<!\d)[245]\d\d(?:[ -]\d\.\d{1,3}\.\d{1,3})?(?=[ -])-?",
    re.ASCII,
)
_LISTS = re.compile(r"spamhaus|spamcop|barracudacentral|query/(?:bl|ip)|sender\.office\.com|dnsbl|\brbl\b")
_LIVES = re.compile(
    r"receiving (?:e-?)?(?:mail|messages) (?:at a rate|too (?:quickly|fast))|\brate of mail\b"
    r"|(?:over|exceed\w*|out of|insufficient|not enough|no more)\b[^.;:]{0,40}\b(?:quota|storage|space)\b"
    r"|quota[^.;:]{0,20}exceeded|(?:mailbox|inbox|maildir|folder|account)(?: \w+){0,2} (?:full|over(?: quota)?)\b"
    r"|mailbox full|full mailbox|boite pleine|per (?:hour|day)\b[^.;]{0,40}limit|receiv\w+ limits?\b"
    r"|too (?:large|big)|size limit|\btemporar|try (?:again )?later|gr[ea]ylist"
    r"|resolver\.rst\.|recipient(?:'s)? preferences|rejected by recipient|banned recipient"
)
_ABOUT_US = re.compile(
    r"\bspam|unsolicited|\bjunk|phish|virus|malware|(?:black|block|deny) ?-?list|reputation|\bbanned\b"
    r"|\bpolic(?:y|ies)\b|\b(?:spf|dkim|dmarc|ptr|helo|starttls|tls|rdns)\b"
    r"|reverse dns|dns mx|relaying|relay access|to relay\b"
    r"|authenticat|not authori[sz]ed|sender(?: (?:e-?mail|address|domain|verify))*(?: (?:is|was|has been))? "
    r"(?:reject|denied|not\b|unknown|verif|invalid|does|fail)|(?:unknown|invalid|bad|blocked) (?:outbound )?sender"
    r"|sending (?:ip|domain|host|server)|too many|rate limit|content (?:filter|reject)|quarantin"
    r"|\bip address\b|\bclient host\b|\bmail from\b"
)
_WHO = (
    r"(?:user(?: name)?|recipient|mailbox|account|(?:e-?mail )?address|addressee|local ?part"
    r"|utilisateur|destinataire|adresse(?: e-?mail)?|compte)"
)
_BETWEEN = r"(?:is|was|are|has|have|been|that|you|tried|to|reach|entered|specified|with|this|name|at|here|rejected)"
_NONE = (
    r"(?:unknown|invalid|inconnue?|invalide|inexistante?|disabled|inactive|closed|discontinued|deactivated|suspended"
    r"|terminated|no longer|not (?:found|known|valid|present|active|local|exist\w*|in )"
    r"|(?:does|do|did)(?: not|n.t) exist)"
)
_NO_SUCH = r"(?:unknown|invalid|no such|no valid|not a valid|not a known|non-?existent|inactive|disabled)"
_GONE = re.compile(
    rf"\b{_WHO}(?:\W+{_BETWEEN})*\W+{_NONE}|\b{_NO_SUCH} (?:{_WHO}|person|name)\b"
    r"|\bno (?:mailbox|account|user)\b[^.;]{0,30}\b(?:name|here|found)\b|doesn.t have an? \S+ account"
    r"|requested (?:mail )?action (?:not taken|aborted)\W+mailbox (?:unavailable|not found)"
    r"|resolver\.adr\.(?:ex)?recip(?:ient)?notfound"
)
_CISCO = re.compile(r"5\.1\.0 address rejected")
_OF_THE_SENDER = ("5.1.7", "5.1.8")  # RFC 3463: whatever is said beside it
# Exchange Online's edge, of an address that its directory does not hold (DBEB). Elsewhere the same words are a choice
# of the recipient's server (Postfix says them with 5.7.1).
_NOT_LISTED = re.compile(r"recipient address(?:es)? rejected ?: access denied")


def meaning(words: str, code: str) -> str:
    """GONE: there is no such mailbox, for good; LIVES: it is the mailbox's own affair; ABOUT_US; or empty: look at the
    code. words: an answer of a server, with or without its codes; code: the enhanced status beside it (RFC 3463), or
    empty."""
    told = words[:_MOST].lower().replace("’", "'")
    plain = " ".join(_NOISE.sub(" ", told).split())
    if _NOT_LISTED.search(plain):
        return GONE if code == "5.4.1" else LIVES
    if _LIVES.search(plain):
        return LIVES
    if _LISTS.search(told) or _ABOUT_US.search(plain):
        return ABOUT_US
    gone = _GONE.search(plain) or _CISCO.search(told)
    return GONE if gone and not code.startswith("4") and code not in _OF_THE_SENDER else ""


def is_restricted(reason: str) -> bool:
    """Whether an enhanced code without its class, as `7.124`, says that this recipient takes no letters from
    outside."""
    subject, _, detail = reason.partition(".")
    return subject == "7" and detail.isdecimal() and int(detail) in _RESTRICTED
