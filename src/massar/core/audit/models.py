"""The audit log. The database refuses to change its rows, and to delete them but by retention (migration 0003)."""

from django.db import models


class Event(models.Model):
    """One step that was done. `signature` is an HMAC over what it tells: a row that was written or changed without the
    key is found by it. `segment`: kind and month, as `kept-2026-11`; a partition of its own in PostgreSQL."""

    segment = models.CharField(max_length=16, db_default="late-9000-01")  # the last version's programs do not name it
    uid = models.CharField(max_length=22)
    at = models.DateTimeField()
    event = models.CharField(max_length=40)
    outcome = models.CharField(max_length=40, blank=True)
    person_id = models.BigIntegerField(null=True)
    session_id = models.BigIntegerField(null=True)
    network = models.CharField(max_length=50, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    detail = models.TextField(blank=True)
    signature = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["person_id", "-id"], name="audit_by_person")]


class Seal(models.Model):
    """The places `first_seq` and following of up to a thousand rows of one segment, in the order in which they were
    sealed: their ids (8 bytes each) and hashes (32 each), each over the one before. `total`: rows of the segment up to
    here. Rows of one moment have an order only by this: ids are given before a transaction commits."""

    first_seq = models.BigIntegerField(primary_key=True)
    segment = models.CharField(max_length=16)
    count = models.IntegerField()
    total = models.BigIntegerField()
    ids = models.BinaryField()
    hashes = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["segment", "-first_seq"], name="audit_seal_by_segment")]


class LogCursor(models.Model):
    """One row: how far the sealer, the checkpoints and the export by syslog have come. It proves nothing; whoever
    changes it has rows sealed twice or not at all, which the verifier sees. `gaps`: ids below `last_id` that may still
    be committed: [first, last, noticed at, transaction that must have ended]. `version` grows with each seal: of two
    sealers one is late."""

    database = models.CharField(max_length=22)
    version = models.BigIntegerField(default=0)
    last_id = models.BigIntegerField(default=0)
    last_seq = models.BigIntegerField(default=0)
    gaps = models.TextField(default="[]")
    signed_seq = models.BigIntegerField(default=0)
    sent_seq = models.BigIntegerField(default=0)
    sender = models.CharField(max_length=22, blank=True)
    sender_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "audit_cursor"


class Retired(models.Model):
    """A segment that retention deletes. Its rows may be deleted once this stands here. `line`: the checkpoint that says
    so, signed."""

    segment = models.CharField(max_length=16, primary_key=True)
    count = models.BigIntegerField()
    line = models.TextField()
    at = models.DateTimeField()


class CountedEvent(models.Model):
    """What strangers can cause without end, counted for a minute and then written as one event. person_id: 0 or
    less where there is none (`events._nobody`)."""

    person_id = models.BigIntegerField()
    minute = models.BigIntegerField()
    event = models.CharField(max_length=40)
    outcome = models.CharField(max_length=40)
    network = models.CharField(max_length=50)
    detail = models.TextField()
    browser = models.CharField(max_length=60)
    at = models.DateTimeField()
    count = models.BigIntegerField()

    class Meta:
        db_table = "audit_tally"
        constraints = [
            models.UniqueConstraint(
                fields=["person_id", "minute", "event", "outcome", "network", "detail"], name="audit_tally_key"
            )
        ]
