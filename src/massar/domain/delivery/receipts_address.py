"""Where a provider calls back about a message: an address that nobody can guess, and that tells which message is meant.

`{base}/{provider}/{message_id}.{tag}`. The tag is keyed and binds provider and message; the id alone opens
nothing. Without a message it is one address for all messages of the provider, for gateways that are told only once.
Calling it again changes nothing: what a receipt says is stored once."""

from massar.core import encryption

PURPOSE = "receipt"


def make(provider: str, message_id: str, base: str) -> str:
    """Return the address. base: the public address under which the receipts page is served."""
    tag = encryption.data_keys().sign(PURPOSE, provider, message_id)
    return f"{base}/{provider}/{message_id}{'.' if message_id else ''}{tag}"


def read(provider: str, token: str) -> str | None:
    """The message id (empty for the address of all messages), or None if the token is not ours for this provider."""
    message_id, _, tag = token.rpartition(".")
    return message_id if encryption.data_keys().verify(tag, PURPOSE, provider, message_id) else None
