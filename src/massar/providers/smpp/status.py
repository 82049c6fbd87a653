"""What the statuses of SMPP mean to us, as data (SMPP 3.4 §5.1.3; those past 0x100 are of SMPP 5.0)."""

from massar.domain.delivery.provider import MESSAGE, NOTHING, Rejected

# The number is none for this SMSC. So is every number where a type or plan of ours is wrong: others may know better.
PERMANENT = frozenset({0x0B})
# More than they take just now: throttled, message queue full.
BUSY = frozenset({0x58, 0x14})
# Our account, sender, settings or way of writing; an operator must look.
CONFIGURATION_ERROR = frozenset(
    {
        0x01, 0x02, 0x03, 0x04,  # lengths, command, not bound for this
        0x06, 0x07, 0x0A,  # priority, registered delivery, source address
        0x0D, 0x0E, 0x0F,  # bind failed, password, system id
        0x15, 0x43,  # service type, esm_class
        0x48, 0x49, 0x50, 0x51, 0x53,  # types and plans of both addresses, system type
        0x61, 0x62,  # schedule, validity
        0xC0, 0xC1, 0xC2, 0xC3, 0xC4,  # optional parameters
        0x100, 0x101, 0x103, 0x104,  # service not allowed, prohibited, service denied, data coding
    }
)  # fmt: skip


# About the connection, whatever was sent over it.
_OF_THE_BIND = frozenset({0x03, 0x04, 0x05, 0x0D, 0x0E, 0x0F})


def refusal(status: int) -> Rejected:
    """The answer that `status` is. Any other, as a system error (0x08) or a failed submit (0x45), may pass.

    It is the answer to one message, to one number: lengths, validity, coding, even the sender may suit other networks.
    """
    return Rejected(
        f"smpp 0x{status:02x}",
        permanent=status in PERMANENT,
        configuration_error=status in CONFIGURATION_ERROR,
        busy=status in BUSY,
        about=NOTHING if status in _OF_THE_BIND else MESSAGE,
        elsewhere=True,
    )
