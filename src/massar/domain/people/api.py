"""What others may use from the room `people`."""

from massar.core.keyring.api import Ending, Index, Sealed
from massar.domain.people import (
    belonging,
    bulk,
    contacts,
    counting,
    directory,
    existing,
    exports,
    guardians,
    import_runs,
    list_jobs,
    members,
    rights,
    roles,
    search,
    selection,
    units,
)
from massar.domain.people.belonging import Kind
from massar.domain.people.contacts import CODE_TRIES
from massar.domain.people.directory import PersonFacts
from massar.domain.people.models import Contact

__all__ = [
    "CODE_TRIES", "ENDING", "SEALED", "Contact", "Kind", "PersonFacts", "belonging", "bulk", "contacts", "counting",
    "directory", "existing", "exports", "guardians", "import_runs", "list_jobs", "members", "rights", "roles", "search",
    "selection", "units",
]  # fmt: skip
SEALED = (
    Sealed(
        "people_contact", "value_ciphertext", "contact|{person_id}|{kind}|{uid}",
        index=Index("value_hmac", "contact-value", ("kind",)),
    ),
    Sealed("people_listpart", "ciphertext", "list|{job_id}|{part}|{number}"),
    Sealed("people_exportpart", "ciphertext", "export|{export_id}|{number}"),
)  # fmt: skip
ENDING = (
    Ending("codes of contacts", "people_contact", "code_sent_at", "state = 'proposed' AND code_hmac <> ''",
           until="code_expires_at"),
)  # fmt: skip
