"""What the page of a person offers: one line for each act, with the right that it takes."""

from typing import NamedTuple

from massar.domain.people.api import rights

Right = rights.Right


class Action(NamedTuple):
    """`url`: name of the address, which takes the person's `token`; `label`: message id of the button."""

    right: rights.Right
    url: str
    label: str


ACTIONS = (
    Action(Right.RECOVER, "desk_recover", "agent.recover.title"),
    Action(Right.FACTOR, "desk_loss", "agent.lost"),
    Action(Right.SLIP, "desk_slip", "desk_slip.title"),
    Action(Right.CODE, "desk_code", "code.title"),
    Action(Right.LINK, "desk_guardians", "guardians.title"),
)  # fmt: skip
