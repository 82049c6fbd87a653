"""Cases of the help desk: one person's request at one browser, and who of the desk decided about it."""

from django.db import models


class Case(models.Model):
    """One case. State moves: `cases.MOVES`. `number`: ten digits, the last one a check digit (`numbers`).

    What was typed stands in `ciphertext` (JSON), bound to the number, until it is approved: the login, and a
    contact or a guardian that an agent proposes; of a new guardian until the code was typed. `browser_hmac`,
    `network_hmac`, `devices`: keyed HMACs of the browser's cookie, its network, and each account that it knows as a
    trusted device (`cases.Machine`); `browser`: its name in short. The same of the browser in which an agent
    proposed, as `agent_…`. person_id: from when an agent has proposed. unit: code of the unit for which the agent
    acted; branch_id: the directorate of the person, or what stands in its place. contact_id: the contact that was
    added. second_id: the agent who confirmed; None where one was enough. review: '' for one that nobody looks at once
    more, else how that stands (`reviews`), with review_by, an agent above, and review_at."""

    class Kind(models.TextChoices):
        PASSWORD = "password"
        CONTACT = "contact"
        FACTOR = "factor"
        GUARDIAN = "guardian"
        UNLINKED = "unlinked"

    class State(models.TextChoices):
        OPEN = "open"
        PROPOSED = "proposed"
        APPROVED = "approved"
        DONE = "done"
        REFUSED = "refused"
        CLOSED = "closed"
        EXPIRED = "expired"

    class Review(models.TextChoices):
        DRAWN = "drawn"
        RIGHT = "right"
        ASKED = "asked"

    number = models.CharField(max_length=10)
    kind = models.CharField(max_length=8, blank=True)
    state = models.CharField(max_length=8, default=State.OPEN)
    ciphertext = models.BinaryField(null=True)
    browser_hmac = models.CharField(max_length=64, blank=True)
    network_hmac = models.CharField(max_length=16, blank=True)
    devices = models.CharField(max_length=200, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    person_id = models.BigIntegerField(null=True)
    unit = models.CharField(max_length=32, blank=True)
    branch_id = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    checked = models.CharField(max_length=60, blank=True)
    contact_id = models.BigIntegerField(null=True)
    agent_id = models.BigIntegerField(null=True)
    agent_role = models.CharField(max_length=20, blank=True)
    agent_session_id = models.BigIntegerField(null=True)
    agent_browser_hmac = models.CharField(max_length=64, blank=True)
    agent_browser = models.CharField(max_length=60, blank=True)
    agent_network_hmac = models.CharField(max_length=16, blank=True)
    agent_devices = models.CharField(max_length=200, blank=True)
    second_id = models.BigIntegerField(null=True)
    second_role = models.CharField(max_length=20, blank=True)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    proposed_at = models.DateTimeField(null=True)
    approved_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    review = models.CharField(max_length=5, blank=True, db_default="")
    review_by = models.BigIntegerField(null=True)
    review_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["number"], name="desk_case_number")]
        indexes = [
            models.Index(fields=["browser_hmac"], name="desk_case_browser"),
            models.Index(fields=["person_id"], name="desk_case_person"),
            models.Index(fields=["branch_id", "opened_at"], name="desk_case_branch"),
            models.Index(fields=["agent_id", "opened_at"], name="desk_case_agent"),
            models.Index(fields=["approved_at"], name="desk_case_approved"),
            models.Index(
                fields=["expires_at"], name="desk_case_live",
                condition=models.Q(state__in=["open", "proposed", "approved"]),
            ),
            models.Index(
                fields=["review", "branch_id"], name="desk_case_review",
                condition=models.Q(review__in=["drawn", "asked"]),
            ),
        ]  # fmt: skip


class Office(models.Model):
    """Where a unit's desk is found, and when: told to whoever chooses the unit from the list. '' where unknown."""

    unit_id = models.IntegerField(primary_key=True)
    phone = models.CharField(max_length=60, blank=True)
    address_ar = models.CharField(max_length=200, blank=True)
    address_latin = models.CharField(max_length=200, blank=True)
    hours_ar = models.CharField(max_length=100, blank=True)
    hours_latin = models.CharField(max_length=100, blank=True)
