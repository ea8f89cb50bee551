"""A signed-in person's own session, for scripts: who it is, the token to write with, where else it is signed in."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from app.api.access import Sessions, signed_in_account
from app.api.errors import ERRORS, GONE
from app.api.permissions import SESSION
from app.domain.accounts import Account, AccountRole, SignedIn
from app.services.accounts import AccountService


class OwnSession(BaseModel):
    """Who is signed in."""

    username: str
    role: AccountRole
    must_change_password: bool
    csrf_token: str


class ShownSession(BaseModel):
    """Where an account is signed in."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    started_at: datetime | None
    expires_at: datetime
    address: str
    browser: str


def account_router(accounts: AccountService, sessions: Sessions) -> APIRouter:
    """Needs a session; a key has none of its own. Ending sessions needs the session's token."""
    router = APIRouter(prefix="/api/v1", tags=["session"], responses=ERRORS, dependencies=[Depends(SESSION)])
    Owner = Annotated[Account, Depends(signed_in_account)]

    @router.get("/session")
    def own_session(request: Request, account: Owner) -> OwnSession:
        """Who is signed in, and the token that its requests send as X-CSRF-Token to change something."""
        token = sessions.form_token(request)
        return OwnSession(
            username=account.username, role=account.role, must_change_password=account.must_change, csrf_token=token
        )

    @router.get("/sessions", response_model=list[ShownSession])
    def list_sessions(account: Owner) -> list[SignedIn]:
        """Where this account is signed in, the latest first."""
        return accounts.sessions(account)

    @router.delete("/sessions/{session_id}", status_code=204, response_class=Response, responses=GONE)
    def end_session(request: Request, session_id: str, account: Owner) -> None:
        """End one of this account's sessions."""
        sessions.check_origin(request)
        accounts.end_session(account, session_id)

    @router.delete("/sessions", status_code=204, response_class=Response)
    def end_sessions(request: Request, account: Owner) -> None:
        """Sign this account out everywhere."""
        sessions.check_origin(request)
        accounts.end_sessions(account)

    return router
