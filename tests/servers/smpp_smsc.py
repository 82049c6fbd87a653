"""An SMSC on smpp.twisted3 (Twisted), the second codec: it writes down what it reads and does what the last two digits
of the number say. The same lines and digits as in node/smsc.mjs, as far as this server goes.

    python smpp_smsc.py PORT FILE
"""

import json
import sys

from smpp.pdu import pdu_types as types
from smpp.pdu.constants import command_status_name_map
from smpp.pdu.operations import DeliverSM
from smpp.twisted.config import SMPPServerConfig
from smpp.twisted.protocol import DataHandlerResponse
from smpp.twisted.server import SMPPServerFactory
from twisted.cred.error import UnauthorizedLogin
from twisted.internet import reactor

REFUSALS = {
    "08": types.CommandStatus.ESME_RSYSERR, "10": types.CommandStatus.ESME_RINVSRCADR,
    "13": types.CommandStatus.ESME_RINVDSTADR, "14": types.CommandStatus.ESME_RMSGQFUL,
    "58": types.CommandStatus.ESME_RTHROTTLED,
}  # fmt: skip
STATES = {"DELIVRD": types.MessageState.DELIVERED, "UNDELIV": types.MessageState.UNDELIVERABLE}
ids = iter(range(1001, 1_000_000))


class Door:
    """Who may bind; the factory's portal."""

    def login(self, credentials, mind, interface):
        if (credentials.username, credentials.password) != ("massar", "p@s:w/rd"):
            raise UnauthorizedLogin
        return interface, credentials.username, lambda: None


def number_of(status):
    """This codec numbers its statuses anew; the protocol's number stands in a table."""
    return command_status_name_map[status.name]


def record(**entry):
    with open(sys.argv[2], "a") as file:
        file.write(json.dumps(entry) + "\n")


def take(system_id, session, submit):
    """The handler of submit_sm; gives the answer."""
    said = submit.params
    number = said["destination_addr"].decode()
    status = REFUSALS.get(number[-2:], types.CommandStatus.ESME_ROK)
    record(submit=written(said, session), status=number_of(status))
    if status != types.CommandStatus.ESME_ROK:
        return DataHandlerResponse(status)
    reference = str(next(ids))
    failed = number.endswith("11")
    receipt = (reference, "UNDELIV" if failed else "DELIVRD", "011" if failed else "000", said)
    reactor.callLater(0, deliver, session, *receipt)
    if number.endswith("41"):
        reactor.callLater(0, deliver, session, *receipt)
    if number.endswith("61"):
        reactor.callLater(0.05, lambda: session.unbindAndDisconnect().addBoth(lambda _: record(unbound=True)))
    return DataHandlerResponse(types.CommandStatus.ESME_ROK, message_id=reference.encode())


def written(said, session):
    content, valid = said["short_message"], said["validity_period"]
    udh = types.EsmClassGsmFeatures.UDHI_INDICATOR_SET in said["esm_class"].gsmFeatures
    cut = content[0] + 1 if udh else 0
    # This codec leaves the text in bytes: UCS-2 is read by Python, GSM stays as it is.
    ucs2 = said["data_coding"] == types.DataCoding(schemeData=DATA_UCS2)
    return {
        "bind": session.bind_type.name, "service": (said["service_type"] or b"").decode(),
        "source": [said["source_addr_ton"].name, said["source_addr_npi"].name, said["source_addr"].decode()],
        "to": [said["dest_addr_ton"].name, said["dest_addr_npi"].name, said["destination_addr"].decode()],
        "coding": 8 if ucs2 else 0, "text": content[cut:].decode("utf-16-be") if ucs2 else content[cut:].hex(),
        "udh": content[:cut].hex(), "receipt": said["registered_delivery"].receipt.name,
        "valid_for": valid.hours * 3600 + valid.minutes * 60 + valid.seconds,
    }  # fmt: skip


DATA_UCS2 = type(types.DataCoding().schemeData).UCS2


def deliver(session, reference, state, error, said):
    text = (
        f"id:{reference} sub:001 dlvrd:001 submit date:2602150155 done date:2602150156 stat:{state} err:{error} text:x"
    )
    request = DeliverSM(
        source_addr_ton=types.AddrTon.INTERNATIONAL,
        source_addr_npi=types.AddrNpi.ISDN,
        source_addr=said["destination_addr"],
        destination_addr=said["source_addr"],
        esm_class=types.EsmClass(types.EsmClassMode.DEFAULT, types.EsmClassType.SMSC_DELIVERY_RECEIPT),
        short_message=text.encode(),
        receipted_message_id=reference.encode(),
        message_state=STATES[state],
    )
    sending = session.sendDataRequest(request)
    sending.addCallback(lambda answer: record(receipt=reference, status=number_of(answer.response.status)))
    sending.addErrback(lambda problem: again(problem.value, session, reference, state, error, said))


def again(problem, session, reference, *rest):
    """The client could not store it (any status but OK is an error here)."""
    record(receipt=reference, status=number_of(problem.response.status))
    reactor.callLater(0.05, deliver, session, reference, *rest)


if __name__ == "__main__":
    config = SMPPServerConfig(systems={"massar": {"max_bindings": 4}}, msgHandler=take)
    reactor.listenTCP(int(sys.argv[1]), SMPPServerFactory(config, Door()), interface="127.0.0.1")
    reactor.run()
