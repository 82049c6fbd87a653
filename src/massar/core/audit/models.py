"""The audit log: one append-only row for every step. The database refuses UPDATE and DELETE (migration 0002)."""

from django.db import models


class Event(models.Model):
    """`signature` is an HMAC over all other columns: a row written or changed without the key is found by `verify`."""

    uid = models.CharField(max_length=22, unique=True)
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
