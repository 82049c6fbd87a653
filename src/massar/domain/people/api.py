"""What others may use from the room `people`."""

from massar.domain.people import contacts, directory
from massar.domain.people.contacts import CODE_TRIES, ContactFacts
from massar.domain.people.directory import PersonFacts

__all__ = ["CODE_TRIES", "ContactFacts", "PersonFacts", "contacts", "directory"]
