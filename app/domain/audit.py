"""Who changed what, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SYSTEM = "system"  # the actor of what nobody asked for


@dataclass(frozen=True)
class AuditEntry:
    """One change: `actor` did `action` to a `subject` (alert, silence, source, subscription, job ...)."""

    at: datetime
    actor: str
    action: str
    subject: str
    subject_id: str = ""
    comment: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None
