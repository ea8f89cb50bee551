"""From what was said to training rows: the best answer of each question in past conversations.

    a corrected answer > an agent's answer > a reply with a thumb up > a reply with citations and no thumb

Replies with a thumb down, fallbacks, and replies after which the customer was handed to a person are left out.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from app.domain.conversations import Message, Outcome, Passage, Role
from app.domain.figures import figures_in
from app.domain.guardrails import agrees, asks_for_person
from app.domain.redaction import names_in, redact
from app.ml.dialogue_rules import bare_answer, is_fallback, is_filler, is_small_talk, why_not
from app.ml.near_duplicates import NearDuplicates, sketch

HISTORY = 6  # messages before the question that are kept


class Speaker(StrEnum):
    """Who wrote a message of an export."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"


class Rank(IntEnum):
    """How much an answer is trusted, best first."""

    CORRECTED = 1
    AGENT = 2
    UPVOTED = 3
    CITED = 4


@dataclass(frozen=True)
class Turn:
    """One message. `correction` is what an agent put in its place; `feedback` is -1, 0 or 1."""

    speaker: Speaker
    text: str
    correction: str = ""
    feedback: int = 0
    outcome: str = ""
    citations: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class PastConversation:
    """What was said, oldest first. `began` sorts conversations by age; `handed_off`: a person was asked for."""

    key: str
    turns: tuple[Turn, ...]
    began: float = 0.0
    handed_off: bool = False


@dataclass(frozen=True)
class Exchange:
    """A question with its best answer, redacted. `passages` are those that the answer cites by its marks."""

    conversation: str
    history: tuple[Message, ...]
    question: str
    reply: str
    rank: Rank
    passages: tuple[Passage, ...] = ()
    began: float = 0.0


@dataclass
class Selection:
    """Collects exchanges and counts why others were left out."""

    published: Set[str] = frozenset()
    excluded: Counter[str] = field(default_factory=Counter)
    questions: int = 0

    def of(self, conversations: Iterable[PastConversation]) -> list[Exchange]:
        """The exchanges worth learning from, without copies, in the order of the conversations."""
        found = [exchange for conversation in conversations for exchange in self._exchanges(conversation)]
        return self._without_copies(found)

    def without_frozen(self, exchanges: Sequence[Exchange], frozen: Iterable[str]) -> list[Exchange]:
        """Those whose question is no near-duplicate of a question that measures."""
        known = NearDuplicates()
        for i, text in enumerate(sorted(set(frozen))):
            known.add(i, sketch(text))
        kept = [e for e in exchanges if known.find(sketch(e.question)) is None]
        self.excluded["in_evaluation"] += len(exchanges) - len(kept)
        return kept

    def _exchanges(self, conversation: PastConversation) -> Iterator[Exchange]:
        names = frozenset(name for turn in conversation.turns for name in names_in(turn.text))
        history: list[Message] = []
        open_question = ""  # asked, not answered yet, and not taken back
        blocks = list(_blocks(conversation.turns))
        for number, (asked, replies) in enumerate(blocks):
            question = self._clean("\n".join(turn.text for turn in asked), names)
            carried = bool(open_question) and (agrees(question) or asks_for_person(question))
            effective = open_question if carried else question
            if asked:
                self.questions += not carried
                last = number == len(blocks) - 1
                exchange, reason = self._best(effective, replies, names, conversation.handed_off and last)
                if exchange:
                    yield replace(
                        exchange,
                        conversation=hashlib.sha256(conversation.key.encode()).hexdigest()[:12],
                        history=tuple(history[-HISTORY:]),
                        began=conversation.began,
                    )
                elif not carried or reason != "small_talk":
                    self.excluded[reason] += not carried
                open_question = effective if not exchange and reason in ("fallback", "no_reply") else ""
            if not carried:
                history += [Message(Role.CUSTOMER, question)] if asked else []
                history += [Message(Role.ASSISTANT, self._clean(turn.text, names)) for turn in replies]

    def _best(
        self, question: str, replies: Sequence[Turn], names: Set[str], abandoned: bool
    ) -> tuple[Exchange | None, str]:
        """The best usable answer of a block of replies, or why there is none."""
        reason = "small_talk" if is_small_talk(question) else "no_reply"
        for rank, text, passages in sorted(_answers(replies, abandoned), key=lambda answer: answer[0]):
            reply = bare_answer(self._clean(text, names))
            trouble = why_not(question, reply)
            if not trouble:
                return Exchange("", (), question, reply, rank, passages), ""
            reason = trouble if reason == "no_reply" else reason
        if reason == "no_reply" and replies:
            reason = _why_unusable(replies, abandoned)
        return None, reason

    def _clean(self, text: str, names: Set[str]) -> str:
        plain = redact(" ".join(text.split()), self.published)
        for name in sorted(names | {name.split()[0] for name in names}, key=len, reverse=True):
            if len(name) > 1:  # a Chinese surname alone occurs in many words
                plain = re.sub(rf"(?<![A-Za-z]){re.escape(name.title())}(?![a-z])", "[name]", plain)
        return plain

    def _without_copies(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Of questions that say nearly the same, the best answer stays, and of equals the latest."""
        known = NearDuplicates()
        kept: dict[int, Exchange] = {}
        order = sorted(range(len(exchanges)), key=lambda i: (exchanges[i].rank, -exchanges[i].began, -i))
        for i in order:
            exchange = exchanges[i]
            before = next((m.content for m in reversed(exchange.history) if m.role == Role.CUSTOMER), "")
            asked = sketch(f"{before} {exchange.question}")
            twin = known.find(asked)
            if twin is None:
                known.add(i, asked)
                kept[i] = exchange
                continue
            same = figures_in(kept[twin].reply) == figures_in(exchange.reply)
            self.excluded["near_duplicate" if same else "older_or_lesser_answer"] += 1
        return [kept[i] for i in sorted(kept)]


def _blocks(turns: Sequence[Turn]) -> Iterator[tuple[list[Turn], list[Turn]]]:
    """What the customer wrote in one go, and everything that was replied before he wrote again."""
    asked: list[Turn] = []
    replies: list[Turn] = []
    for turn in turns:
        if turn.speaker is Speaker.CUSTOMER:
            if replies:
                yield asked, replies
                asked, replies = [], []
            asked.append(turn)
        else:
            replies.append(turn)
    if asked or replies:
        yield asked, replies


def _answers(replies: Sequence[Turn], abandoned: bool) -> Iterator[tuple[Rank, str, tuple[Passage, ...]]]:
    """Every reply that may be an answer. An agent's messages in a row are one answer."""
    for turn in replies:
        if turn.correction.strip():
            yield Rank.CORRECTED, turn.correction, turn.citations
    said = [t for t in replies if t.speaker is Speaker.AGENT and t.feedback >= 0 and not is_filler(t.text)]
    if said:
        yield Rank.AGENT, "\n".join(t.correction or t.text for t in said), said[-1].citations
    for turn in replies:
        if turn.speaker is Speaker.BOT and not turn.correction and not _no_answer(turn):
            if turn.feedback > 0:
                yield Rank.UPVOTED, turn.text, turn.citations
            elif turn.feedback == 0 and turn.citations and not abandoned:
                yield Rank.CITED, turn.text, turn.citations


def _no_answer(turn: Turn) -> bool:
    return turn.outcome in (Outcome.HANDOFF, Outcome.CLARIFY) or is_fallback(turn.text)


def _why_unusable(replies: Sequence[Turn], abandoned: bool) -> str:
    if any(turn.feedback < 0 for turn in replies):
        return "down_voted"
    if any(turn.outcome == Outcome.CLARIFY for turn in replies):
        return "clarification"
    if any(_no_answer(turn) for turn in replies):
        return "fallback"
    if all(turn.speaker is Speaker.AGENT for turn in replies):
        return "filler"
    return "handed_off" if abandoned else "neither_voted_nor_cited"
