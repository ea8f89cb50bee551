"""Alerts for programs: read them, and take them on."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.api.errors import CONFLICT, ERRORS, GONE
from app.api.news import Id, Name
from app.api.permissions import Caller, needs
from app.domain.alerts import Alert, AlertState
from app.storage.alerts import Alerts


class Action(StrEnum):
    """What can be done to an alert."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class Comment(BaseModel):
    """A comment, kept in the record of changes with who made it."""

    comment: str = Field("", max_length=2000)


class Written(BaseModel):
    """A comment by itself."""

    comment: str = Field(min_length=1, max_length=2000)


def alerts_router(alerts: Alerts) -> APIRouter:
    """Needs the scopes alerts:read and, to change one, alerts:write."""
    router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"], responses=ERRORS)
    reading = [Depends(needs("alerts:read"))]
    Writer = Annotated[Caller, Depends(needs("alerts:write"))]

    @router.get("", dependencies=reading)
    def list_alerts(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        state: AlertState | None = None,
        topic: Name | None = None,
        entity: Name | None = None,
    ) -> list[Alert]:
        """Alerts, newest first."""
        return alerts.list(limit, state, topic, entity)

    @router.get("/{alert_id}", dependencies=reading, responses=GONE)
    def get_alert(alert_id: Id) -> Alert:
        """One alert."""
        return alerts.get(alert_id)

    @router.post("/{alert_id}/comment", responses=GONE)
    def comment(alert_id: Id, body: Written, writer: Writer) -> Alert:
        """Add a comment."""
        return alerts.comment(alert_id, writer.name, body.comment)

    @router.post("/{alert_id}/{action}", responses=GONE | CONFLICT)
    def change(alert_id: Id, action: Action, writer: Writer, body: Comment | None = None) -> Alert:
        """Acknowledge, resolve or reopen an alert, with a comment if there is one."""
        return alerts.change(alert_id, action.value, writer.name, body.comment if body else "")

    return router
