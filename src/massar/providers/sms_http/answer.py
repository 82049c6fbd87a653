"""Reading what a gateway says: a value at a path of its JSON or by a pattern, and what an answer as a whole means.

Patterns come from the operator's own file and see at most PATTERN_SEES characters of an answer, so that an unlucky one
costs little. One with nested or many repeats, as (a+)+ or .*.*.*, can still take very long: its writer must avoid it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from massar.domain.delivery.provider import MESSAGE, NOTHING, Accepted, OutcomeUnknown, Rejected, Result
from massar.providers.http_client import HttpResponse
from massar.providers.sms_http import body as http_body

ACCEPTED, PERMANENT, TEMPORARY, BUSY, CONFIGURATION_ERROR = (
    "accepted",
    "permanent",
    "temporary",
    "busy",
    "configuration_error",
)
OUTCOMES = (ACCEPTED, PERMANENT, TEMPORARY, BUSY, CONFIGURATION_ERROR)
PATTERN_SEES = 1000
LONGEST_REFERENCE = 100
# What is not here (401, 403, 404, a redirect, 402, 405, 410): the address, the account or the key is wrong. A gateway
# that moved answers so for every number.
STATUSES = {
    "2xx": ACCEPTED,
    **dict.fromkeys(("400", "413", "414", "422"), PERMANENT),
    **dict.fromkeys(("408", "409", "425", "5xx"), TEMPORARY),
    "429": BUSY,
}
NO_NUMBERS = ("401", "402", "405", "407", "3xx")  # what no number can be the reason of
_NUMBER = re.compile(r"\d{7,}")
_COUNT = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class Reply:
    """What was said, as data (None where it is none) and as text."""

    data: object
    text: str


def read_reply(body: bytes) -> Reply:
    return Reply(http_body.json_of(body, "utf-8"), body.decode("utf-8", "replace"))


@dataclass(frozen=True)
class Finder:
    """`path`: steps into the data, where a number picks from a list and `*` means each. `pattern`: its first group
    that took part (or all of the match) in what stands there; without a path, in the text. `words`: what it finds is a
    word, which true and false may be; an id is neither."""

    path: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    words: bool = False

    def all(self, said: Reply) -> list[str]:
        values = [self._scalar(value) for value in walk(said.data, self.path)] if self.path else [said.text]
        if self.pattern is None:
            return [value for value in values if value]
        matches = (self.pattern.search(value[:PATTERN_SEES]) for value in values)
        taken = (next(filter(None, match.groups()), match[0]) for match in matches if match)
        return [value for value in taken if value]

    def first(self, said: Reply) -> str:
        return next(iter(self.all(said)), "")

    def _scalar(self, value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower() if self.words else ""
        return value if isinstance(value, str) else ""


def walk(node: object, path: tuple[str, ...]) -> Iterator[object]:
    if not path:
        yield node
        return
    step, rest = path[0], path[1:]
    if step == "*":
        inside = node if isinstance(node, list) else node.values() if isinstance(node, dict) else ()
        for one in inside:
            yield from walk(one, rest)
    elif isinstance(node, dict) and step in node:
        yield from walk(node[step], rest)
    elif isinstance(node, list) and step.isascii() and step.isdecimal() and int(step) < len(node):
        yield from walk(node[int(step)], rest)


def reference(value: str) -> str:
    """A gateway's id in the one form that answers and receipts share: printable, on one line, bounded."""
    return "".join(sign for sign in value if sign.isprintable()).strip()[:LONGEST_REFERENCE]


def reason(value: str) -> str:
    """A gateway's code for the audit log and the log: short, and never with a telephone number in it."""
    return _NUMBER.sub("#", "".join(sign for sign in value if sign.isprintable())[:40])


@dataclass(frozen=True)
class AnswerForm:
    """What answers mean. `codes` (by what `code` finds, `*` for the rest) go before `statuses`."""

    reference: Finder | None = None
    segments: Finder | None = None
    code: Finder | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=lambda: STATUSES)
    receipts: bool = False

    def judge(self, response: HttpResponse) -> Result:
        said = read_reply(response.body) if response.body is not None else None
        codes = self.code.all(said) if self.code and said else []
        by_code = [self.codes.get(code, self.codes.get("*")) for code in codes]
        by_status = self._by_status(response)
        must_say_yes = by_status == ACCEPTED and ACCEPTED in self.codes.values()
        if must_say_yes and not codes:
            return OutcomeUnknown("the answer can't be read")
        otherwise = TEMPORARY if must_say_yes else by_status
        outcomes = [outcome or otherwise for outcome in by_code] or [by_status]
        if len(set(outcomes)) > 1 and ACCEPTED in outcomes:
            return OutcomeUnknown("only a part of it was taken")
        if outcomes[0] == ACCEPTED:
            return self._accepted(said)
        return _refused(outcomes[0], response.status, codes[0] if codes else "", by_status=not any(by_code))

    def _by_status(self, response: HttpResponse) -> str:
        status = str(response.status)
        if status == "503" and "retry-after" in response.headers and status not in self.statuses:
            return BUSY
        return self.statuses.get(status) or self.statuses.get(f"{status[0]}xx", CONFIGURATION_ERROR)

    def _accepted(self, said: Reply | None) -> Accepted:
        """Trouble with the reference changes nothing: the message was taken."""
        found = self.reference.all(said) if self.reference and said else []
        names = tuple(dict.fromkeys(filter(None, map(reference, found))))
        said_of_it = self.segments.first(said) if self.segments and said else ""
        segments = int(said_of_it) if _COUNT.fullmatch(said_of_it) else 0
        return Accepted(names[0] if names else "", names if len(names) > 1 else (), self.receipts, segments)


def _refused(outcome: str, status: int, code: str, *, by_status: bool) -> Rejected:
    """A request was about one number, so its answer may be; a bare 400 may as well be about how we ask."""
    said = f"http {status}" + (f", code {reason(code)}" if code else "")
    of_all = by_status and not {str(status), f"{status // 100}xx"}.isdisjoint(NO_NUMBERS)
    return Rejected(
        said,
        permanent=outcome == PERMANENT,
        configuration_error=outcome == CONFIGURATION_ERROR,
        busy=outcome == BUSY,
        about=NOTHING if of_all else MESSAGE,
        elsewhere=by_status,
    )
