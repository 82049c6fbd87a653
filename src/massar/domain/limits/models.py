"""What rate limits remember (decision 18). A bucket that is full again is swept away."""

from django.db import models


class BucketState(models.Model):
    """Generic cell rate algorithm: at `tat`, the theoretical arrival time (µs since 1970), the bucket is full. `cost`
    is how long what was taken last takes to come back, `room` how much may be owed at once, both in µs."""

    key = models.CharField(max_length=64, primary_key=True)
    tat = models.BigIntegerField(db_index=True)
    cost = models.BigIntegerField()
    room = models.BigIntegerField()


class FailureCount(models.Model):
    """What unknown browsers failed in one span of ten minutes: `id` = span * 8 192 + place (domain/limits/tally.py).
    `number`: how many tries; `cells`: 64 bits, one for each 64th of the accounts."""

    id = models.BigIntegerField(primary_key=True)
    cells = models.BigIntegerField()
    number = models.BigIntegerField()


class Siege(models.Model):
    """Whether every try of an unknown browser needs a challenge: everywhere (`key` "all") or at one account (the key of
    its bucket). Moments are µs since 1970, 0 for never. By command: `on_until` or `off_until`; by itself:
    `held_until`."""

    key = models.CharField(max_length=64, primary_key=True)
    person_id = models.BigIntegerField(null=True)
    on_until = models.BigIntegerField(default=0)
    off_until = models.BigIntegerField(default=0)
    held_until = models.BigIntegerField(default=0)


class Season(models.Model):
    """The one switch of the season, `key` "all"; on_until: µs since 1970, 0 for off."""

    key = models.CharField(max_length=8, primary_key=True)
    on_until = models.BigIntegerField()


class PassedChallenge(models.Model):
    """A challenge that was met, so that it opens once; forgotten when it could no longer be met (µs since 1970)."""

    ref = models.CharField(max_length=64, primary_key=True)
    forget_at = models.BigIntegerField(db_index=True)
