"""Every address of the help desk, with who may open it: written by hand, held against the product's list.

A new address gets a row here: how it is asked, what it takes, and about whom or what it is. The journeys' matrix asks
each of them by every role about everybody (`tests/journeys/test_desk_matrix.py`)."""

from dataclasses import dataclass

from massar.domain.people.api import rights

R = rights.Right
ANY, MINISTRY, NOBODY = "whoever has a role", "the ministry's desk, and operators", "nobody, as things are here"
FIGURES = "whoever has a role above a class, and operators"
EXPORTS = "whoever has a role above a class"


@dataclass(frozen=True)
class Row:
    """needs: a right, or one of the words above. about: 'person' (its `token`), 'case' (its `number`), 'unit'
    (its `unit_id`), or '' for what is about nobody."""

    method: str
    needs: rights.Right | str
    about: str = ""


ROUTES = {
    "desk": Row("GET", ANY),
    "desk_prove": Row("GET", ANY),
    "desk_people": Row("GET", ANY),
    "desk_found": Row("GET", ANY),
    "desk_person": Row("GET", R.STATE, "person"),
    "desk_contact": Row("GET", R.UNMASK, "person"),
    "desk_recover": Row("GET", R.RECOVER, "person"),
    "desk_loss": Row("GET", R.FACTOR, "person"),
    "desk_guardians": Row("GET", R.LINK, "person"),
    "desk_cases": Row("GET", ANY),
    "desk_case": Row("GET", R.APPROVE, "case"),
    "desk_case_propose": Row("POST", R.APPROVE, "case"),
    "desk_case_confirm": Row("POST", R.APPROVE, "case"),
    "desk_case_decline": Row("POST", R.APPROVE, "case"),
    "desk_case_receipt": Row("GET", NOBODY, "case"),  # before anything was decided
    "desk_reviews": Row("GET", ANY),
    "desk_review": Row("POST", NOBODY, "case"),  # of a case that was not drawn
    "desk_slip": Row("GET", R.SLIP, "person"),
    "desk_code": Row("GET", R.CODE, "person"),
    "desk_slips": Row("GET", ANY),
    "desk_slips_unit": Row("GET", R.SLIP, "unit"),
    "desk_slip_batch": Row("GET", NOBODY),  # of a number that no batch has
    "desk_classes": Row("GET", ANY),
    "desk_class": Row("GET", R.CODE, "unit"),
    "desk_class_sheet": Row("GET", R.CODE, "unit"),
    "desk_campaigns": Row("GET", MINISTRY),
    "desk_campaign_new": Row("GET", MINISTRY),
    "desk_campaign": Row("GET", NOBODY),  # of a number that no campaign has
    "desk_campaign_act": Row("POST", NOBODY),
    "desk_season": Row("GET", MINISTRY),
    "desk_sites": Row("GET", MINISTRY),
    "desk_site_table": Row("GET", MINISTRY),
    "desk_site_trial": Row("POST", NOBODY),  # of a site that there is not
    "desk_figures": Row("GET", FIGURES),
    "desk_figures_export": Row("GET", FIGURES),
    "desk_exports": Row("GET", EXPORTS),
    "desk_export_file": Row("GET", NOBODY),  # of a list that nobody asked for
    "desk_lists": Row("GET", MINISTRY),
    "desk_list": Row("GET", NOBODY),  # of a list that was never sent
    "desk_list_say": Row("POST", NOBODY),
    "desk_list_approve": Row("POST", NOBODY),
    "desk_list_stop": Row("POST", NOBODY),
    "desk_list_report": Row("GET", NOBODY),
}

__all__ = ["ANY", "EXPORTS", "FIGURES", "MINISTRY", "NOBODY", "ROUTES", "Row"]
