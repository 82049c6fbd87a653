"""The SMSC of the contract tests with phones behind it, for Kannel to hand its messages to.

Numbers that end in 99 it refuses (ESME_RINVDSTADR), those in 88 it takes and then fails to deliver, of
those in 77 the first segment, of those in 66 the second; each segment it takes is followed by a receipt.
"""

from dataclasses import dataclass

from massar.providers.smpp.pdu import DELIVER_SM, Pdu
from tests.contracts.smpp_rig import Link, Smsc, Submit, deliver_body, read_submit, receipt_text
from tests.support.waits import until

INVALID_DESTINATION = 0x0B
LOST = {"88": range(1, 256), "77": (1,), "66": (2,)}


@dataclass(frozen=True)
class Arrived:
    """One message as a phone shows it, its segments joined. `validity`: in SMPP's own form, empty for its default."""

    sender: str
    to: str
    text: str
    validity: str
    segments: int


class Phones(Smsc):
    """Listens until `stop`; `messages` are those it took whole, oldest first."""

    def __init__(self, port: int):
        super().__init__(port=port)
        self.messages: list[Arrived] = []

    def wait_for(self, to: str) -> Arrived:
        """The newest message to that number."""
        return until(lambda: [message for message in list(self.messages) if message.to == to], 20)[-1]

    def take(self, link: Link, pdu: Pdu) -> None:
        segment = read_submit(pdu.body, with_parameters=True)
        to = segment.to[2]
        if to.endswith("99"):
            link.answer(pdu, INVALID_DESTINATION)
            return
        self.submits.append(segment)
        self.accept(link, pdu)
        self._join(segment)
        place = segment.header[5] if segment.header else 1
        state = "UNDELIV" if place in LOST.get(to[-2:], ()) else "DELIVRD"
        body = deliver_body(receipt_text(self.references[-1], state), source=segment.to)
        link.send(Pdu(DELIVER_SM, 0, 1000 + len(self.references), body))

    def _join(self, last: Submit) -> None:
        """The newest of each place, once all are there (3GPP TS 23.040 §9.2.3.24.1)."""
        if not last.header:
            self.messages.append(Arrived(last.source[2], last.to[2], last.text, last.validity, 1))
            return
        assert last.header[1:3] == b"\0\3", f"a header of another kind: {last.header.hex()}"
        same = {s.header[5]: s for s in self.submits if s.to == last.to and s.header[3:5] == last.header[3:5]}
        if len(same) == last.header[4]:
            halves = "".join(same[place].text for place in sorted(same))  # a pair may lie in two segments
            text = halves.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
            self.messages.append(Arrived(last.source[2], last.to[2], text, last.validity, len(same)))
