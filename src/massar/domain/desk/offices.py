"""Where the desks of units are found."""

from typing import NamedTuple

from massar.core import sql, text
from massar.domain.desk.models import Office


class OfficeFacts(NamedTuple):
    """Telephone, address and hours of a unit's desk, in two scripts; '' where unknown."""

    phone: str = ""
    address_ar: str = ""
    address_latin: str = ""
    hours_ar: str = ""
    hours_latin: str = ""

    def address(self, language: str) -> str:
        return text.of_language(language, self.address_ar, self.address_latin)

    def hours(self, language: str) -> str:
        return text.of_language(language, self.hours_ar, self.hours_latin)


def of_unit(unit_id: int) -> OfficeFacts:
    statement = "SELECT phone, address_ar, address_latin, hours_ar, hours_latin FROM desk_office WHERE unit_id = %s"
    return sql.select_one(OfficeFacts, statement, (unit_id,)) or OfficeFacts()


def save(unit_id: int, facts: OfficeFacts) -> None:
    Office.objects.update_or_create(unit_id=unit_id, defaults=facts._asdict())
