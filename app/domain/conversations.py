"""What a customer and the assistant say to each other."""

from dataclasses import dataclass, field
from datetime import datetime
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
    ways to ask it. `score` is a cosine similarity in [-1, 1].
    """

    source: str
    text: str
    title: str = ""
    question: str = ""
    language: str = "en"
    score: float = 0.0
    alternatives: tuple[str, ...] = ()


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
    """A message as it was kept. `outcome` and `citations` belong to replies, `feedback` is -1, 0 or 1."""

    id: int
    at: datetime
    role: Role
    content: str
    outcome: str = ""
    citations: tuple[Passage, ...] = ()
    feedback: int = 0


@dataclass(frozen=True)
class Handoff:
    """A customer's request to be contacted by a person."""

    id: int
    conversation_id: str
    at: datetime
    contact: str
    note: str = ""
