"""What the tabs of the dashboard share: collaborators, the visitor's account, and how a tab refreshes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import gradio as gr

from app.config import Settings
from app.domain.accounts import Account, AccountRole
from app.domain.errors import RoleMissing
from app.ml.sentiment import SentimentClassifier
from app.services.composing import Composing
from app.services.delivery import Delivering
from app.services.entities import Entities
from app.services.gathering import Gathering
from app.services.replay import Replay
from app.services.sample_news import SampleNews
from app.services.subscriptions import Subscriptions
from app.storage.alerts import Alerts
from app.storage.article_corrections import ArticleCorrections
from app.storage.articles import Articles
from app.storage.audit import Audit
from app.storage.outbox import Outbox
from app.storage.silences import Silences
from app.storage.sources import Sources
from app.storage.watchlist import Watchlist
from app.ui.views import Views

# One listener serves every button or row inside a fragment: what was meant is in its data attributes.
CLICKS = """
element.addEventListener('click', (event) => {
  const row = event.target.closest('[data-id], [data-action]');
  if (!row || (row.dataset.confirm && !window.confirm(row.dataset.confirm))) return;
  trigger('click', {id: Number(row.dataset.id || 0), action: row.dataset.action || ''});
});
"""


def fragment(value: str = "") -> gr.HTML:
    """A place for HTML of our own templates, whose clicks carry `id` and `action` (see CLICKS)."""
    return gr.HTML(value, js_on_load=CLICKS, apply_default_css=False, elem_classes="bw-fragment")


class DeskServices(Protocol):
    """The part of the composed services that the dashboard needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def articles(self) -> Articles: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def gathering(self) -> Gathering: ...
    @property
    def sample(self) -> SampleNews: ...
    @property
    def entities(self) -> Entities: ...
    @property
    def article_corrections(self) -> ArticleCorrections: ...
    @property
    def classifier(self) -> SentimentClassifier: ...
    @property
    def silences(self) -> Silences: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def composing(self) -> Composing: ...
    @property
    def delivering(self) -> Delivering: ...
    @property
    def replay(self) -> Replay: ...
    @property
    def watchlist(self) -> Watchlist: ...


@dataclass(frozen=True)
class Desk:
    """The analyst's working place. `account_of` finds a request's account or raises AccessDenied."""

    services: DeskServices
    views: Views
    account_of: Callable[[Any], Account]
    clock: Callable[[], datetime]

    @property
    def mail_configured(self) -> bool:
        return bool(self.services.settings.smtp_host)

    def administrator(self, request: gr.Request, what: str = "sources") -> Account:
        """The visitor's account. Raises RoleMissing unless it is an administrator's, who alone changes `what`."""
        account = self.account_of(request)
        if not account.may(AccountRole.ADMINISTRATOR):
            raise RoleMissing(f"Only an administrator may change {what}. Ask one, or sign in as one.")
        return account


class Refresh(NamedTuple):
    """How to bring a tab up to date."""

    listener: Callable[..., Any]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
