"""What the tabs of the operations page share: collaborators, and who may use them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import gradio as gr

from app.config import Settings
from app.domain.accounts import Account, AccountRole
from app.domain.errors import InvalidInput, RoleMissing
from app.domain.jobs import JobStatus
from app.services.accounts import AccountService
from app.services.api_keys import ApiKeys
from app.services.operations import Operations
from app.services.retrieval import KnowledgeKeeper, Retrieval
from app.storage.jobs import JobRuns
from app.ui.analyst.desk import fragment
from app.ui.views import Views

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class Jobs(Protocol):
    """The scheduler (app.scheduling.JobScheduler)."""

    def status(self) -> list[JobStatus]: ...

    def pause(self, job_id: str, by: str) -> None: ...

    def resume(self, job_id: str, by: str) -> None: ...

    def run_now(self, job_id: str) -> dict[str, int]: ...


class OperationsServices(Protocol):
    """The part of the composed services that the operations page needs. Nothing of it is read before a request."""

    @property
    def settings(self) -> Settings: ...
    @property
    def accounts(self) -> AccountService: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def scheduler(self) -> Jobs: ...
    @property
    def job_runs(self) -> JobRuns: ...
    @property
    def knowledge(self) -> KnowledgeKeeper: ...
    @property
    def retrieval(self) -> Retrieval: ...
    @property
    def operations(self) -> Operations: ...


@dataclass(frozen=True)
class Room:
    """The administrator's working place. `account_of` finds a request's account or raises AccessDenied."""

    services: OperationsServices
    views: Views
    account_of: Callable[[Any], Account]
    clock: Callable[[], datetime]

    def administrator(self, request: Any) -> Account:
        """The visitor's account. Raises AccessDenied, RoleMissing unless it is an administrator's."""
        account = self.account_of(request)
        if not account.may(AccountRole.ADMINISTRATOR):
            raise RoleMissing("Only an administrator may do that. Ask one, or sign in as one.")
        return account

    def render(self, template: str, **values: Any) -> str:
        """A template of this page."""
        return self.views.render(f"operations/{template}", **values)


def secret_field() -> gr.HTML:
    """Where something is shown once: kept in this visitor's browser alone, until it is hidden."""
    secret = fragment()
    secret.click(lambda: "", None, secret, **QUIET)
    return secret


def unknown_button() -> InvalidInput:
    """What a click is answered with that no button of ours makes."""
    return InvalidInput("That button is unknown to the server. Reload the page.")
