"""A customer's question to an answer: redact, retrieve, decide, answer, guard, store."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.conversations import Message, Need, Outcome, Passage, Reply, Role, StoredMessage
from app.domain.errors import InvalidInput, NotFound
from app.domain.guardrails import (
    agrees,
    asks_for_person,
    cited_numbers,
    language_of,
    renumber_citations,
    shows_language,
)
from app.domain.redaction import redact
from app.domain.support import is_supported, sentence_ends
from app.ml.judge import Judge
from app.ml.responder import Responder
from app.services.decisions import (
    Candidate,
    Decision,
    Thresholds,
    candidates_of,
    decide,
    prefer_language,
    template_of,
)
from app.services.fixed_replies import UNKNOWN_REPLIES, clarify_reply, handoff_reply
from app.services.retrieval import Retrieval
from app.storage.conversations import Conversations
from app.storage.knowledge_index import Hit

MAX_SOURCES = 3  # that a reply is composed from: more only give a small model more to confuse


@dataclass(frozen=True)
class Delta:
    """The next piece of a reply."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The whole reply, stored. Its text replaces the pieces: the guard may have changed the end."""

    reply: Reply
    message_id: int
    seconds_to_first_token: float
    seconds: float


ChatEvent = Delta | Finished


class Chat:
    """Conversations with customers. One instance serves all visitors; it keeps no visitor's state."""

    def __init__(
        self,
        conversations: Conversations,
        retrieval: Retrieval,
        responder: Responder,
        thresholds: Thresholds,
        clock: Callable[[], datetime],
        *,
        judge: Judge | None = None,
        top_k: int = 4,
        max_question_chars: int = 2000,
        observe: Callable[[Finished], None] = lambda _finished: None,
    ) -> None:
        self._conversations, self._retrieval, self._responder = conversations, retrieval, responder
        self._thresholds, self._clock, self._judge = thresholds, clock, judge
        self._top_k, self._max_chars, self._observe = top_k, max_question_chars, observe

    def start(self) -> str:
        """Begin a conversation; returns its id."""
        return self._conversations.start(self._clock())

    def stream(self, conversation_id: str, question: str) -> Iterator[ChatEvent]:
        """Answer a question in a stored conversation. Raises InvalidInput, NotFound."""
        if not self._conversations.exists(conversation_id):
            raise NotFound("This conversation has ended. Please start a new one.")
        question = self._checked(question)
        history = [Message(m.role, m.content) for m in self._conversations.history(conversation_id)]
        self._conversations.append(conversation_id, Message(Role.CUSTOMER, question), self._clock())
        for event in self.answer(question, history):
            if isinstance(event, Finished):
                reply = event.reply
                message_id = self._conversations.append(
                    conversation_id,
                    Message(Role.ASSISTANT, reply.text),
                    self._clock(),
                    reply.outcome,
                    reply.citations,
                )
                event = replace(event, message_id=message_id)
            yield event

    def answer(self, question: str, history: Sequence[Message] = ()) -> Iterator[ChatEvent]:
        """Answer a question without storing anything; the last event is Finished with message_id 0."""
        question = self._checked(question)
        started = time.perf_counter()
        first: float | None = None
        language = _language(question, history)
        decision = self._decide(question, history, language)
        pieces = self._compose(question, history, decision, language)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                reply: Reply = end.value
                break
            first = first or time.perf_counter() - started
            yield Delta(piece)
        elapsed = time.perf_counter() - started
        finished = Finished(reply, 0, first or elapsed, elapsed)
        self._observe(finished)
        yield finished

    def history(self, conversation_id: str) -> list[StoredMessage]:
        """What was said, oldest first."""
        return self._conversations.history(conversation_id)

    def feedback(
        self, message_id: int, value: int, reason: str = "", comment: str = "", conversation_id: str | None = None
    ) -> None:
        """Keep a thumb: -1, 0 or 1, and why. Raises InvalidInput, NotFound (see Conversations.set_feedback)."""
        self._conversations.set_feedback(message_id, value, reason, redact(comment), conversation_id)

    def request_person(self, conversation_id: str, contact: str, note: str) -> None:
        """Ask for a person to get back to the customer. Raises InvalidInput without a contact."""
        self._conversations.add_handoff(conversation_id, contact, note, self._clock())

    def clear(self, conversation_id: str) -> None:
        """Erase a conversation for good."""
        self._conversations.delete(conversation_id)

    def examples(self, language: str, count: int = 4) -> list[str]:
        """Curated questions to begin with, one from each of the first tables in that language."""
        seen: dict[str, str] = {}
        for passage in self._retrieval.index.passages:
            if passage.language == language and passage.question:
                seen.setdefault(passage.source.split("#")[0], passage.question)
        step = max(1, len(seen) // count)
        return list(seen.values())[::step][:count]

    # -- steps -------------------------------------------------------------------------------------

    def _checked(self, question: str) -> str:
        question = " ".join(question.split())
        if not question:
            raise InvalidInput("Please type a question.")
        if len(question) > self._max_chars:
            raise InvalidInput(f"That is {len(question)} characters long; please keep to {self._max_chars}.")
        return redact(question)

    def _decide(self, question: str, history: Sequence[Message], language: str) -> Decision:
        if asks_for_person(question) or (agrees(question) and _person_was_offered(history)):
            return Decision(Outcome.HANDOFF, need=Need.PERSON)
        hits = self._retrieval.retrieve(question, history, 2 * self._top_k)
        exact = bool(hits) and hits[0].via.casefold() == question.casefold()
        need = Need.ANSWER if exact else self._need(question, history)
        if need is not Need.ANSWER:
            return Decision(Outcome.HANDOFF, need=need)
        template = template_of(hits, language, self._thresholds, exact)
        if template:
            return template
        candidates = self.judged(question, history, prefer_language(hits, language)[: self._top_k])
        decision = decide(candidates, language, self._thresholds, bool(history))
        return replace(decision, passages=decision.passages[:MAX_SOURCES])

    def _need(self, question: str, history: Sequence[Message]) -> Need:
        """What the customer needs, an answer unless another need is probable enough."""
        if not self._judge:
            return Need.ANSWER
        needs = self._judge.needs(question, history)
        other = max((need for need in Need if need is not Need.ANSWER), key=needs.__getitem__)
        return other if 1 - needs[Need.ANSWER] >= self._thresholds.need else Need.ANSWER

    def judged(self, question: str, history: Sequence[Message], hits: Sequence[Hit]) -> list[Candidate]:
        """How well each passage answers: the judge's probability, or the cosine where there is no judge."""
        odds = self._judge.scores(question, [hit.passage for hit in hits], history) if self._judge else ()
        return candidates_of(hits, odds, self._thresholds.answerability)

    def _compose(
        self, question: str, history: Sequence[Message], decision: Decision, language: str
    ) -> Generator[str, None, Reply]:
        """Yield the pieces of the reply, then return it."""
        match decision.outcome:
            case Outcome.HANDOFF:
                text = handoff_reply(decision.need, language)
                reply = Reply(text, Outcome.HANDOFF, language=language)
            case Outcome.TEMPLATE:
                text = f"{decision.passages[0].text} [1]"
                reply = Reply(text, Outcome.TEMPLATE, decision.passages, language)
            case Outcome.CLARIFY:
                reply = Reply(
                    clarify_reply(language), Outcome.CLARIFY, decision.passages, language, decision.options
                )
            case Outcome.GENERATED:
                return (yield from self._generate(question, history, decision.passages, language))
        yield reply.text
        return reply

    def _generate(
        self, question: str, history: Sequence[Message], passages: tuple[Passage, ...], language: str
    ) -> Generator[str, None, Reply]:
        """Stream a composed reply, sentence by sentence: one that the sources do not support is never shown.

        Citation marks are renumbered as they come: the passage that is cited first is [1].
        """
        sources = [f"{p.question} {p.title} {p.text}" for p in passages]
        written, shown, text = "", 0, ""
        cited: list[int] = []
        for piece in self._responder.stream(question, passages, history):
            written += piece
            ends = sentence_ends(written[shown:])
            if not ends or _begins_unknown(written):
                continue
            sentence = written[shown : shown + ends[0]]
            if not is_supported(sentence, sources, question):
                return _extract(passages, language)
            part, shown = _cite(sentence, cited, len(passages)), shown + ends[0]
            text += part
            yield part
        if written.strip() in UNKNOWN_REPLIES:
            yield handoff_reply(Need.ANSWER, language)
            return Reply(handoff_reply(Need.ANSWER, language), Outcome.HANDOFF, language=language)
        if not written.strip() or not is_supported(written[shown:], sources, question):
            return _extract(passages, language)
        part = _cite(written[shown:], cited, len(passages)).rstrip()
        if not cited:
            part, cited = f"{part} [1]", [1]
        yield part
        return Reply(text + part, Outcome.GENERATED, tuple(passages[n - 1] for n in cited), language)


def _begins_unknown(written: str) -> bool:
    """Whether a reply may become the honest fallback: that is shown as a whole."""
    return any(reply.startswith(written.strip()) for reply in UNKNOWN_REPLIES)


def _language(question: str, history: Sequence[Message]) -> str:
    """The customer's language: the question's, or that of an earlier one when it is as short as "ATM?"."""
    said = [question, *(m.content for m in reversed(history) if m.role == Role.CUSTOMER)]
    return language_of(next(filter(shows_language, said), question))


def _person_was_offered(history: Sequence[Message]) -> bool:
    return bool(history) and history[-1].content in UNKNOWN_REPLIES


def _extract(passages: tuple[Passage, ...], language: str) -> Reply:
    """The best passage in its own words, when the composed text could not be trusted."""
    best = passages[0]
    text = best.text if len(best.text) <= 600 else best.text[:600].rsplit("\n", 1)[0] + " …"
    return Reply(f"{text} [1]", Outcome.GENERATED, (best,), language)


def _cite(part: str, cited: list[int], count: int) -> str:
    """Renumber the marks of the next part of a reply; `cited` grows by the passages that it cites first.

    Marks that point at none of the `count` passages vanish.
    """
    cited += [number for number in cited_numbers(part) if 1 <= number <= count and number not in cited]
    return renumber_citations(part, cited)
