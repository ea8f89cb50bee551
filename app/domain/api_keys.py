"""Keys with which programs use the programming interface."""

from dataclasses import dataclass
from datetime import datetime

SCOPES = (
    *("chat", "classify", "articles:read", "articles:write", "alerts:read", "alerts:write"),
    *("sources:read", "sources:write", "metrics:read"),
)


@dataclass(frozen=True)
class ApiKey:
    """A key as its administrator sees it; the key itself was shown once, and only its hash is kept."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
