"""What rate limits remember (decision 18). A bucket that is full again is swept away."""

from django.db import models


class BucketState(models.Model):
    """Generic cell rate algorithm: at `tat`, the theoretical arrival time (µs since 1970), the bucket is full. `cost`
    is how long what was taken last takes to come back, `room` how much may be owed at once, both in µs."""

    key = models.CharField(max_length=64, primary_key=True)
    tat = models.BigIntegerField(db_index=True)
    cost = models.BigIntegerField()
    room = models.BigIntegerField()
