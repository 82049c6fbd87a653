"""What others may use from the room `people`."""

from massar.domain.people import contacts, directory
from massar.domain.people.contacts import CODE_TRIES
from massar.domain.people.directory import PersonFacts
from massar.domain.people.models import Contact

__all__ = ["CODE_TRIES", "Contact", "PersonFacts", "contacts", "directory"]
