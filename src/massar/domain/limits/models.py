"""Attempt budgets (decision 18). One row is one budget; a budget that is full again is swept away."""

from django.db import models


class Budget(models.Model):
    """Generic cell rate algorithm: `tat` is the moment (µs since 1970) at which the budget will be full again.

    `cost` is how long what was taken last takes to come back, `room` how much may be owed at once, both in µs.
    """

    key = models.CharField(max_length=64, primary_key=True)
    tat = models.BigIntegerField(db_index=True)
    cost = models.BigIntegerField()
    room = models.BigIntegerField()
