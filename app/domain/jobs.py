"""What the scheduler did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class JobRun:
    """One run of a scheduled job. `ended_at` is None while it runs, and for good if its program stopped in it."""

    id: int
    job: str
    started_at: datetime
    ended_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
