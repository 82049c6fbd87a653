"""What the other floors may use of this room."""

from massar.domain.upkeep import job_runs as job_runs
