"""The outbox, its attempts, and the requests for recovery that wait for the worker."""

from django.db import models
from django.db.models import F, Func, Index, Q, UniqueConstraint, Value
from django.db.models.functions import Lower


class RecoveryRequest(models.Model):
    """What was typed on the recovery page, encrypted; nothing was looked up yet (decision 2). Wiped when answered.
    `tries`: how many claims were to answer it. `reason`: of a failed one, why nobody was answered."""

    class State(models.TextChoices):
        WAITING = "waiting"
        CLAIMED = "claimed"
        DONE = "done"
        FAILED = "failed"

    ask_id = models.CharField(max_length=43, unique=True)
    ciphertext = models.BinaryField(null=True)
    state = models.CharField(max_length=8, default=State.WAITING)
    lease_by = models.CharField(max_length=22, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(db_default=0)
    reason = models.CharField(max_length=80, blank=True, db_default="")

    class Meta:
        indexes = [
            Index(fields=["state", "id"], name="delivery_requests_open"),
            Index(fields=["done_at"], name="delivery_requests_failed", condition=Q(state="failed")),
        ]


class Message(models.Model):
    """One message of the outbox. Moves: `outbox.MOVES`. `ciphertext` holds destination and values; NULL once final.

    expires_at: after it nothing is handed over. Empty with `lifetime` (seconds) set: fixed just before the first
    attempt. turn: how many of the same person waited before it in its channel; the first of everybody leaves before the
    second of anybody. What stays readable of the destination is `masked`; `to_hmac` and `block_hmac` (of an SMS number
    without its last three digits, which `block_ciphertext` holds) find equal ones. `segments` and `cost` (in
    thousandths of the provider's currency) are those of all attempts that a provider accepted."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        AWAITING_RECEIPT = "awaiting_receipt"
        SUBMITTED = "submitted"
        DELIVERED = "delivered"
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
    ciphertext = models.BinaryField(null=True)
    state = models.CharField(max_length=16, default=State.QUEUED)
    priority = models.PositiveSmallIntegerField(default=5)
    turn = models.PositiveIntegerField(db_default=0)  # the last version's web servers do not name it
    not_before = models.DateTimeField()
    deadline = models.DateTimeField()
    lifetime = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    masked = models.CharField(max_length=80, blank=True)
    to_hmac = models.CharField(max_length=64, blank=True)
    block_hmac = models.CharField(max_length=64, blank=True)
    block_ciphertext = models.BinaryField(null=True)
    provider = models.CharField(max_length=40, blank=True)
    segments = models.PositiveSmallIntegerField(default=0)
    cost = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_by = models.CharField(max_length=22, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [
            Index(  # in the order of claims, so that a long queue is not sorted for each of them
                fields=["channel", "priority", "turn", "not_before", "id"],
                name="delivery_claims",
                condition=Q(state__in=("queued", "sending")),
            ),
            Index(  # receipts that came instead of an answer ask who else is written to
                fields=["to_hmac"],
                name="delivery_under_way",
                condition=Q(state__in=("queued", "sending", "awaiting_receipt")),
            ),
            Index(fields=["lease_until"], name="delivery_leases", condition=Q(state="sending")),
            Index(fields=["expires_at"], name="delivery_receipts_due", condition=Q(state="awaiting_receipt")),
            Index(fields=["person_id", "-id"], name="delivery_by_person"),
            Index(fields=["block_hmac", "created_at"], name="delivery_by_block", condition=~Q(block_hmac="")),
            Index(fields=["created_at"], name="delivery_by_time"),
            Index(  # a notice may wait for a day: alarms ask when it ended
                fields=["final_at"], name="delivery_ended_unsent", condition=Q(state__in=("failed", "expired"))
            ),
            Index(  # conversion is asked for with every code
                fields=["created_at"], name="delivery_codes", condition=Q(purpose="contact_code", channel="sms")
            ),
        ]


class Attempt(models.Model):
    """Written before the provider is called, settled after. No outcome: the worker died in between."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()
    provider = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    code = models.CharField(max_length=80, blank=True)
    reference = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [UniqueConstraint(fields=["message", "number"], name="delivery_one_attempt")]


class Part(models.Model):
    """What a provider calls one segment of a message it accepted, and what it told since; state '': nothing."""

    provider = models.CharField(max_length=40)
    reference = models.CharField(max_length=100)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()
    sent_at = models.DateTimeField()
    state = models.CharField(max_length=10, blank=True)
    code = models.CharField(max_length=80, blank=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            Index(fields=["provider", "reference"], name="delivery_part_reference"),
            Index(  # receipts may write an id in another way
                F("provider"), Lower(Func(F("reference"), Value("0"), function="LTRIM")), name="delivery_part_folded"
            ),
            Index(fields=["sent_at"], name="delivery_part_time"),
        ]


class UnmatchedReceipt(models.Model):
    """A receipt that fits no segment known yet: it came before the provider's answer, or the worker died meanwhile."""

    provider = models.CharField(max_length=40)
    reference = models.CharField(max_length=100, blank=True)
    uid = models.CharField(max_length=22, blank=True)
    state = models.CharField(max_length=10)
    code = models.CharField(max_length=80, blank=True)
    to_hmac = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [Index(fields=["to_hmac"], name="delivery_unmatched_to")]
        constraints = [
            UniqueConstraint(fields=["provider", "reference", "uid", "state"], name="delivery_one_unmatched_receipt")
        ]


class Breaker(models.Model):
    """Whether a provider may be used. Moves: `breaker.MOVES`. `pause` in seconds; `until`: the next probe, or its end.
    `changed_at`: when it closed, or since when it is not closed; `told_at`: when the last fault was met. `witnesses`:
    who met those faults in a row that may be one message's own (`breaker.Witness`), as short tags."""

    class State(models.TextChoices):
        CLOSED = "closed"
        OPEN = "open"
        HALF_OPEN = "half-open"

    provider = models.CharField(max_length=40, primary_key=True)
    state = models.CharField(max_length=10, default=State.CLOSED)
    faults = models.PositiveIntegerField(default=0)
    pause = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=80, blank=True)
    changed_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    witnesses = models.TextField(blank=True, db_default="")  # the last version's workers do not name it


class Counter(models.Model):
    """A number that only grows, for Prometheus. `labels`: the values of the metric's labels, as a JSON list."""

    pk = models.CompositePrimaryKey("metric", "labels")
    metric = models.CharField(max_length=100)
    labels = models.CharField(max_length=200)
    value = models.BigIntegerField(default=0)
