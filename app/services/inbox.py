"""The agents' inbox: who waits and for what, a draft, the reply, and what the assistant shall learn from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.accounts import Account
from app.domain.conversations import (
    Correction,
    Handoff,
    Message,
    Need,
    Outcome,
    Passage,
    Role,
    StoredMessage,
)
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.guardrails import (
    agrees,
    asks_for_person,
    cited_numbers,
    language_of,
    renumber_citations,
    shows_language,
)
from app.domain.redaction import published_in, redact
from app.integrations.curated import NAME as CURATED
from app.services.chat import Chat, Finished
from app.services.fixed_replies import handoff_reply
from app.services.retrieval import Retrieval
from app.storage.corrections import Corrections
from app.storage.handoffs import Handoffs

SUMMARY_CHARS = 200
MAX_REPLY_CHARS = 4000
_NEEDS = {handoff_reply(need, language): need for language in ("en", "zh") for need in Need}


@dataclass(frozen=True)
class Waiting:
    """A line of the inbox. `since` is how long the customer has waited, or did until it was resolved.

    `summary` holds the customer's latest questions; `customer_spoke_last`: nobody has answered what was said last.
    """

    handoff: Handoff
    language: str
    need: Need
    summary: str
    since: timedelta
    customer_spoke_last: bool


@dataclass(frozen=True)
class Case:
    """One request in full."""

    waiting: Waiting
    messages: tuple[StoredMessage, ...]
    corrections: dict[int, Correction]

    @property
    def handoff(self) -> Handoff:
        return self.waiting.handoff


@dataclass(frozen=True)
class Draft:
    """What an agent may begin a reply with. `text` is empty where the assistant has no answer."""

    question: str
    text: str
    passages: tuple[Passage, ...]


class Curated(Protocol):
    """Where curated answers are written."""

    def put(self, question: str, answer: str) -> str:
        """Add an answer, or replace that of the same question; returns where."""
        ...


class Inbox:
    """What an agent does with handoffs. The caller has checked the role; every change is recorded."""

    def __init__(
        self,
        handoffs: Handoffs,
        corrections: Corrections,
        chat: Chat,
        retrieval: Retrieval,
        curated: Curated,
        accounts: Callable[[], Sequence[Account]],
        clock: Callable[[], datetime],
    ) -> None:
        self._handoffs, self._corrections, self._chat = handoffs, corrections, chat
        self._retrieval, self._curated = retrieval, curated
        self._accounts, self._clock = accounts, clock

    def counts(self, agent: str) -> dict[str, int]:
        """How many requests each view holds (see app.storage.handoffs.VIEWS)."""
        return self._handoffs.counts(agent)

    def waiting(self, view: str, agent: str, limit: int = 100) -> list[Waiting]:
        """The requests of a view, the longest waiting first; of resolved ones the latest."""
        handoffs = self._handoffs.list(view, agent, limit)
        said = self._handoffs.messages({h.conversation_id for h in handoffs})
        return [self._waiting(h, said[h.conversation_id]) for h in handoffs]

    def open(self, handoff_id: int) -> Case:
        """One request with its conversation. Raises NotFound."""
        handoff = self._handoffs.get(handoff_id)
        messages = self._chat.history(handoff.conversation_id)
        return Case(
            self._waiting(handoff, messages), tuple(messages), self._corrections.of(handoff.conversation_id)
        )

    def agents(self) -> list[str]:
        """The user names to which a request can be given; every role may answer customers."""
        return sorted(account.username for account in self._accounts() if not account.disabled)

    def take(self, handoff_id: int, by: str) -> None:
        """Take a request that nobody has. Raises NotFound, Conflict."""
        self._handoffs.take(handoff_id, by)

    def assign(self, handoff_id: int, to: str, by: str) -> None:
        """Give a request to an agent, or to nobody. Raises InvalidInput for an unknown name, NotFound, Conflict."""
        if to and to not in self.agents():
            raise InvalidInput(f"There is no agent {to!r} who could take this. Choose another.")
        self._handoffs.assign(handoff_id, to, by)

    def resolve(self, handoff_id: int, by: str) -> None:
        """Close a request. Raises NotFound, Conflict."""
        self._handoffs.resolve(handoff_id, by)

    def reopen(self, handoff_id: int, by: str) -> None:
        """Take a resolved request up again. Raises NotFound, Conflict."""
        self._handoffs.reopen(handoff_id, by)

    def draft(self, handoff_id: int) -> Draft:
        """What the assistant would answer to the last question, or the passages nearest to it; stores nothing.

        Raises NotFound, and Conflict when the customer has asked nothing yet.
        """
        messages = self.open(handoff_id).messages
        asked = [n for n, m in enumerate(messages) if m.role is Role.CUSTOMER and not _only_wants_person(m.content)]
        if not asked:
            raise Conflict("The customer has not asked a question yet; write to them what you need to know.")
        question = messages[asked[-1]].content
        history = [Message(m.role, m.content) for m in messages[: asked[-1]]]
        for event in self._chat.answer(question, history):
            if isinstance(event, Finished) and event.reply.outcome in (Outcome.TEMPLATE, Outcome.GENERATED):
                return Draft(question, event.reply.text, event.reply.citations)
        nearest = self._retrieval.retrieve(question, history)
        return Draft(question, "", tuple(hit.passage for hit in nearest))

    def reply(self, handoff_id: int, text: str, by: str, passages: Sequence[Passage] = ()) -> int:
        """Answer the customer in the chat. Passages of a draft that the text still cites by its marks go along.

        Raises InvalidInput for an empty or overlong text, NotFound, Conflict when the request is resolved.
        """
        text = text.strip()
        if len(text) > MAX_REPLY_CHARS:
            raise InvalidInput(f"That is {len(text):,} characters long; please keep to {MAX_REPLY_CHARS:,}.")
        cited = list(dict.fromkeys(n for n in cited_numbers(text) if 1 <= n <= len(passages)))
        chosen = [passages[n - 1] for n in cited]
        return self._handoffs.reply(handoff_id, renumber_citations(text, cited) if passages else text, chosen, by)

    def correct(self, handoff_id: int, message_id: int, answer: str, by: str) -> Correction:
        """Keep a better answer than a reply of this conversation, to learn from. Raises NotFound, InvalidInput."""
        question = self.question_of(self.open(handoff_id), message_id)
        return self._corrections.put(message_id, question, answer, by)

    def make_curated(self, handoff_id: int, message_id: int, question: str, answer: str, by: str) -> None:
        """Let the assistant give this answer from now on, in its own words, to everybody who asks so.

        Raises InvalidInput for personal data in it, Conflict when another document answers this question,
        KnowledgeError when the knowledge folder cannot be written to, NotFound.
        """
        self.question_of(self.open(handoff_id), message_id)
        question, answer = " ".join(question.split()), _without_marks(answer)
        if not question or not answer:
            raise InvalidInput("A curated answer needs the question and the answer.")
        passages = self._retrieval.index.passages
        published = published_in(f"{p.question} {p.text}" for p in passages)
        for words in (question, answer):
            safe = redact(words, published)
            if safe != redact(words, published_in([words])):  # which takes nothing out
                raise InvalidInput(f"Everybody will read this, and it holds personal data: “{safe}”. Take it out.")
        for passage in passages:
            elsewhere = not passage.source.startswith(f"{CURATED}#")
            if elsewhere and passage.question.casefold() == question.casefold():
                file = passage.source.partition("#")[0]
                raise Conflict(f"{file} answers this question already. Change the answer there.")
        self._corrections.publish(message_id, question, by, lambda: self._curated.put(question, answer))

    def question_of(self, case: Case, message_id: int) -> str:
        """The question that a reply of this conversation answers. Raises NotFound."""
        ids = [m.id for m in case.messages if m.role is Role.ASSISTANT]
        if message_id not in ids:
            raise NotFound("There is no such reply in this conversation.")
        before = [m.content for m in case.messages if m.id < message_id and m.role is Role.CUSTOMER]
        real = [content for content in before if not _only_wants_person(content)]
        return (real or before or [""])[-1]

    def _waiting(self, handoff: Handoff, messages: Sequence[StoredMessage]) -> Waiting:
        asked = [m.content for m in messages if m.role is Role.CUSTOMER]
        said = [content for content in asked if not _only_wants_person(content)] or asked
        language = language_of(next(filter(shows_language, [*reversed(asked), handoff.note]), handoff.note))
        need = next((_NEEDS[m.content] for m in reversed(messages) if m.content in _NEEDS), Need.PERSON)
        summary = " · ".join(dict.fromkeys(said[-2:])) or handoff.note
        if len(summary) > SUMMARY_CHARS:
            summary = summary[: SUMMARY_CHARS - 1].rstrip() + "…"
        since = (handoff.resolved_at or self._clock()) - handoff.at
        answered = [n for n, m in enumerate(messages) if m.author]
        unanswered = any(m.role is Role.CUSTOMER for m in messages[answered[-1] + 1 :]) if answered else True
        return Waiting(handoff, language, need, summary, since, unanswered)


def _only_wants_person(text: str) -> bool:
    return asks_for_person(text) or agrees(text)


def _without_marks(answer: str) -> str:
    return renumber_citations(answer, []).strip()
