"""Where a carrier calls back about a message: an address that nobody can guess, and that tells which message is meant.

`{base}/receipts/{carrier}/{message_id}.{tag}`. The tag is keyed and binds carrier and message; the id alone opens
nothing. Without a message it is one address for all messages of the carrier, for gateways that are told only once.
Calling it again changes nothing: what a receipt says is stored once.
"""

from massar.core import encryption

PURPOSE = "receipt"


def make(carrier: str, message_id: str, base: str) -> str:
    """`base`: scheme and host of the product's public address."""
    tag = encryption.data_keys().sign(PURPOSE, carrier, message_id)
    return f"{base}/receipts/{carrier}/{message_id}{'.' if message_id else ''}{tag}"


def read(carrier: str, token: str) -> str | None:
    """The message id (empty for the address of all messages), or None if the token is not ours for this carrier."""
    message_id, _, tag = token.rpartition(".")
    return message_id if encryption.data_keys().verify(tag, PURPOSE, carrier, message_id) else None
