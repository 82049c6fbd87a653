"""When each job of retention ran last, and whether it failed."""

from django.db import models


class JobRun(models.Model):
    """The last run of one job. ran_at: the last that went well; fault: what kind the last one met, or ''."""

    job = models.CharField(max_length=40, primary_key=True)
    ran_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField()
    fault = models.CharField(max_length=80, blank=True)
