"""What the scheduler did, does, and was told to leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class JobRun:
    """One run of a scheduled job. `ended_at` is None while it runs."""

    id: int
    job: str
    started_at: datetime
    ended_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class JobPause:
    """Who stopped a job from being run at its times, and when."""

    job: str
    by: str
    at: datetime


@dataclass(frozen=True)
class JobStatus:
    """A job at present. `next_at` is None in a process that does not run the jobs."""

    job: str
    running: bool = False
    pause: JobPause | None = None
    next_at: datetime | None = None
    last: JobRun | None = None
