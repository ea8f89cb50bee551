"""Sources for programs: where articles come from, and how the last visits went."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.errors import CONFLICT, ERRORS, GONE
from app.api.news import Id
from app.api.permissions import Caller, needs
from app.domain.news import Source
from app.storage.sources import Sources


class NewSource(BaseModel):
    """A source to visit. Folders of the machine are for its operator (see the commands), not for this."""

    name: str = Field("", max_length=200)
    url: str = Field(max_length=2000, pattern=r"^\s*[Hh][Tt][Tt][Pp][Ss]?://")
    kind: Literal["auto", "feed", "page", "sitemap", "list", "json"] = "auto"
    interval_minutes: int = Field(15, ge=1, le=7 * 24 * 60)
    options: dict[str, Any] = Field(default_factory=dict, max_length=20)


class Change(BaseModel):
    """What can be changed of a source."""

    enabled: bool


class ShownSource(BaseModel):
    """A source as it is answered."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    url: str
    kind: str
    enabled: bool
    interval_minutes: int
    options: dict[str, Any]
    last_fetched_at: datetime | None
    last_error: str
    last_count: int
    failing_since: datetime | None
    failures: int
    next_visit_at: datetime | None


def sources_router(sources: Sources) -> APIRouter:
    """Needs the scopes sources:read and, to change one, sources:write."""
    router = APIRouter(prefix="/api/v1/sources", tags=["sources"], responses=ERRORS)
    reading = [Depends(needs("sources:read"))]
    Writer = Annotated[Caller, Depends(needs("sources:write"))]

    @router.get("", response_model=list[ShownSource], dependencies=reading)
    def list_sources() -> list[Source]:
        """All sources by name."""
        return sources.list()

    @router.get("/{source_id}", response_model=ShownSource, dependencies=reading, responses=GONE)
    def get_source(source_id: Id) -> Source:
        """One source."""
        return sources.get(source_id)

    @router.post("", status_code=201, response_model=ShownSource, responses=CONFLICT)
    def add(body: NewSource, writer: Writer) -> Source:
        """Add a source, to be visited from now on."""
        return sources.add(
            body.name, body.url, body.kind, body.interval_minutes, options=body.options, by=writer.name
        )

    @router.patch("/{source_id}", response_model=ShownSource, responses=GONE)
    def change(source_id: Id, body: Change, writer: Writer) -> Source:
        """Switch the visits to a source on or off."""
        sources.set_enabled(source_id, body.enabled, writer.name)
        return sources.get(source_id)

    @router.delete("/{source_id}", status_code=204, response_class=Response, responses=GONE)
    def remove(source_id: Id, writer: Writer) -> None:
        """Forget a source; its articles stay."""
        sources.remove(source_id, writer.name)

    return router
