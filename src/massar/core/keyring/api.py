"""What others may use of the keyring: the database's word on data keys, and the rows that stand under them."""

from massar.core.keyring import rows, state
from massar.core.keyring.rows import Ending, Index, Sealed

__all__ = ["Ending", "Index", "Sealed", "rows", "state"]
