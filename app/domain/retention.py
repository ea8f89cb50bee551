"""How long rows are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class RetentionPolicy:
    """Ages in days; 0 keeps for ever."""

    articles: int = 400  # since they were stored; those of open alerts stay
    audit: int = 1100  # the record of changes, and resolved alerts with their deliveries
    conversations: int = 180  # since the last message
    job_runs: int = 14


def cutoff(now: datetime, days: int) -> datetime | None:
    """What is older leaves; None: nothing does."""
    return now - timedelta(days=days) if days else None
