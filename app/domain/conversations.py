"""What a customer and the assistant say to each other."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Role(StrEnum):
    """Who speaks, in the words of the chat-completions convention."""

    CUSTOMER = "user"
    ASSISTANT = "assistant"


class Outcome(StrEnum):
    """How a reply came about."""

    TEMPLATE = "template"  # the approved answer of a curated question
    GENERATED = "generated"  # composed from passages
    CLARIFY = "clarify"  # two readings score alike: ask which
    HANDOFF = "handoff"  # honest fallback and the offer of a person


class Need(StrEnum):
    """What a customer needs. All but an answer is for a person, or for nobody (ATTACK)."""

    ANSWER = "answer"
    ACCOUNT = "account"  # to be told what only someone who sees their data can tell
    PERSON = "person"  # asks for one
    COMPLAINT = "complaint"  # is angry
    DISTRESS = "distress"  # is vulnerable: bereaved, ill, in debt, at risk
    FRAUD = "fraud"  # is being defrauded now
    ADVICE = "advice"  # wants a recommendation that a company must not give
    ATTACK = "attack"  # tries to make the assistant do what it must not


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Passage:
    """A piece of the knowledge base, with its retrieval score once it was found.

    `source` is the file's path relative to the knowledge folder, with `#row` (from 0) for a table of
    questions and answers. `question` is set when the piece is a curated answer; `alternatives` are other
    ways to ask it. `score` is a cosine similarity in [-1, 1]. Without a `product` it is about all of them.
    `valid_from` and `valid_until` are days in UTC, both inclusive, in ISO form (2025-03-31) as passages are
    stored as JSON; empty is without end.
    """

    source: str
    text: str
    title: str = ""
    question: str = ""
    language: str = "en"
    score: float = 0.0
    alternatives: tuple[str, ...] = ()
    product: str = ""
    valid_from: str = ""
    valid_until: str = ""

    def is_valid_on(self, day: date) -> bool:
        """Whether it holds on a day."""
        return self.valid_from <= day.isoformat() and (not self.valid_until or day.isoformat() <= self.valid_until)


@dataclass(frozen=True)
class Filters:
    """Which passages a question may be answered from. An empty field leaves all in.

    A passage about no product in particular is about every product, so it stays in whatever `product` is.
    """

    language: str = ""
    product: str = ""

    def admit(self, passage: Passage) -> bool:
        """Whether a passage may be used; the product is compared without regard to case."""
        if self.language and passage.language != self.language:
            return False
        return not (self.product and passage.product) or passage.product.casefold() == self.product.casefold()


@dataclass(frozen=True)
class Reply:
    """A finished answer. `citations` are in the order of their marks: [1] is the first."""

    text: str
    outcome: Outcome
    citations: tuple[Passage, ...] = ()
    language: str = "en"
    options: tuple[str, ...] = field(default=())  # CLARIFY: the questions to choose from


@dataclass(frozen=True)
class StoredMessage:
    """A message as it was kept. `outcome` and `citations` belong to replies, `feedback` is -1, 0 or 1.

    `author` is the agent who wrote a reply; replies of the assistant have none.
    """

    id: int
    at: datetime
    role: Role
    content: str
    outcome: str = ""
    citations: tuple[Passage, ...] = ()
    feedback: int = 0
    author: str = ""


class HandoffState(StrEnum):
    """How far a request for a person has come."""

    WAITING = "waiting"  # nobody has taken it
    IN_HAND = "in hand"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Handoff:
    """A customer's request to be contacted by a person. `assignee` is the user name of who has it in hand."""

    id: int
    conversation_id: str
    at: datetime
    contact: str
    note: str = ""
    assignee: str = ""
    resolved_at: datetime | None = None

    @property
    def state(self) -> HandoffState:
        if self.resolved_at:
            return HandoffState.RESOLVED
        return HandoffState.IN_HAND if self.assignee else HandoffState.WAITING


@dataclass(frozen=True)
class Correction:
    """What an agent would have answered in the place of a reply. `passages` are those that the reply cited."""

    message_id: int
    question: str
    answer: str
    passages: tuple[Passage, ...]
    by: str
    at: datetime
