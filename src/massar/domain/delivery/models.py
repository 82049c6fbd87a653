"""The outbox, its attempts, and the requests for recovery that wait for the worker."""

from django.db import models


class RecoveryRequest(models.Model):
    """What was typed on the recovery page, sealed; nothing was looked up yet (decision 2). Wiped when answered."""

    class State(models.TextChoices):
        WAITING = "waiting"
        CLAIMED = "claimed"
        DONE = "done"

    ask_id = models.CharField(max_length=43, unique=True)
    sealed = models.BinaryField(null=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    lease_by = models.CharField(max_length=22, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state", "id"], name="delivery_requests_open")]


class Message(models.Model):
    """One message of the outbox. Moves: `outbox.MOVES`. `sealed` holds destination and values; NULL once final.

    expires_at: after it nothing is handed over. Empty with `lifetime` (seconds) set: fixed just before the first attempt.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        HANDED = "handed"
        FAILED = "failed"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    uid = models.CharField(max_length=22, unique=True)
    purpose = models.CharField(max_length=30)
    channel = models.CharField(max_length=5)
    language = models.CharField(max_length=2)
    person_id = models.BigIntegerField()
    temporary_id = models.BigIntegerField(null=True)
    about = models.CharField(max_length=60, blank=True)
    sealed = models.BinaryField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    priority = models.PositiveSmallIntegerField(default=5)
    not_before = models.DateTimeField()
    deadline = models.DateTimeField()
    lifetime = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_by = models.CharField(max_length=22, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    handed_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["priority", "not_before"], name="delivery_queue", condition=models.Q(state="queued")
            ),
            models.Index(fields=["lease_until"], name="delivery_leases", condition=models.Q(state="sending")),
            models.Index(fields=["person_id", "-id"], name="delivery_by_person"),
        ]


class Attempt(models.Model):
    """Written before the carrier is called, settled after. No outcome: the worker died in between."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()
    carrier = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, blank=True)
    code = models.CharField(max_length=80, blank=True)
    reference = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="delivery_one_attempt")]
