"""What an agent sees of the inbox, as HTML, and the words for it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from app.config import Settings
from app.domain.accounts import Account, AccountRole
from app.domain.conversations import Need, Outcome
from app.services.inbox import Case, Draft, Inbox, Waiting
from app.ui.views import Views

LISTED = 100
VIEWS = {"waiting": "Waiting", "mine": "Mine", "all": "All open", "resolved": "Resolved"}
NEEDS = {
    Need.ANSWER: "No answer was found",
    Need.PERSON: "Asks for a person",
    Need.ACCOUNT: "Needs a look at the account",
    Need.COMPLAINT: "Complaint",
    Need.DISTRESS: "In distress",
    Need.FRAUD: "Possible fraud",
    Need.ADVICE: "Wants personal advice",
    Need.ATTACK: "Tried to misuse the assistant",
}
URGENT = (Need.FRAUD, Need.DISTRESS)
LANGUAGES = {"en": "English", "zh": "Chinese"}
OUTCOMES = {
    Outcome.TEMPLATE.value: "curated answer",
    Outcome.GENERATED.value: "composed",
    Outcome.CLARIFY.value: "asked back",
    Outcome.HANDOFF.value: "offered a person",
}
_EMPTY = {
    "waiting": ("Nobody is waiting.", "New requests appear here by themselves; All open shows those in hand."),
    "mine": ("You have nothing in hand.", "Take a request from Waiting."),
    "all": ("No open requests.", "They appear here when customers ask for a person in the chat."),
    "resolved": ("Nothing resolved yet.", "A request moves here when its agent resolves it."),
}


class AgentServices(Protocol):
    """The part of the composed services that the inbox needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def inbox(self) -> Inbox: ...


@dataclass(frozen=True)
class AgentDesk:
    """The agent's working place. `account_of` finds a request's account or raises AccessDenied."""

    inbox: Inbox
    views: Views
    account_of: Callable[[Any], Account]

    def agent(self, request: Any) -> str:
        """The user name of a visitor who is an agent or more."""
        return self.account_of(request).username


def render_header(views: Views, account: Account | None) -> str:
    """The head of the page, with the way to the analysts' page for those who may see it."""
    analyst = account is not None and account.may(AccountRole.ANALYST)
    return views.render("agent/header.html", username=account.username if account else "", analyst=analyst)


def render_list(desk: AgentDesk, view: str, agent: str, selected: int | None) -> str:
    """The requests of a view, with how many there are."""
    items = desk.inbox.waiting(view, agent, LISTED)
    counts = desk.inbox.counts(agent)
    summary = desk.views.render("agent/counts.html", counts=counts)
    if not items:
        return summary + desk.views.empty(*_EMPTY[view])
    return summary + desk.views.render(
        "agent/list.html",
        items=items,
        selected=selected,
        total=counts[view],
        more=counts[view] > len(items),
        waited=waited,
        urgent=URGENT,
        **_words(),
    )


def render_head(desk: AgentDesk, item: Waiting) -> str:
    """Who asks for what, and how to reach them."""
    return desk.views.render("agent/case.html", item=item, **_words())


def render_conversation(desk: AgentDesk, case: Case) -> str:
    """What was said, with the passages of each answer and what agents have corrected."""
    return desk.views.render(
        "agent/conversation.html", messages=case.messages, corrections=case.corrections, **_words()
    )


def render_draft(desk: AgentDesk, draft: Draft) -> str:
    """What a draft rests on."""
    return desk.views.render("agent/draft.html", draft=draft)


def fingerprint(*parts: object) -> str:
    """Changes when what is shown does: a fragment that is the same is not sent again, and keeps what was opened."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def waited(since: timedelta) -> str:
    """A wait in its largest unit: '5 min', '3 h', '2 days'."""
    minutes = max(0, int(since.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // 1440:,} days"


def choices_of(agents: Sequence[str]) -> list[tuple[str, str]]:
    """The agents to choose from, and nobody."""
    return [("nobody", ""), *((name, name) for name in agents)]


def _words() -> dict[str, Any]:
    return {"needs": NEEDS, "languages": LANGUAGES, "outcomes": OUTCOMES}
