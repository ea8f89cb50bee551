"""Prompt to streamed text: greedy decoding, the replies of all visitors side by side in each forward pass.

Answers copy their sources, so each pass also checks a draft looked up in the prompt (prompt-lookup decoding,
Saxena 2023): the tokens that followed the last ones where they stood in the prompt. A draft that the model would
have written itself costs one pass instead of several; the text is the same either way.

A pass gives every reply that is being written its next tokens, and reads a piece of the prompts that wait, first
come first served (continuous batching, as Orca, Yu et al. 2022): nobody waits for another's reply to end.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from app.domain.conversations import Message, Passage
from app.domain.errors import ModelError
from app.ml.backbone import Backbone
from app.ml.decoder import Step
from app.ml.executor import Priority
from app.ml.prompts import answer_prompt

ADAPTER = "responder"
DRAFT_TOKENS = 6  # at first; one that is right throughout makes the next twice as long
PASS_ROWS = 16  # that a pass writes and checks; so few cost little more than one
PASS_PROMPT_TOKENS = 256  # that a pass reads, so that those who write wait no longer for their next tokens


class Engine(Protocol):
    """What reads texts and chooses tokens. Only on the model thread."""

    def open(self, prompt: Sequence[int], capacity: int) -> Any:
        """A slot for a text, empty or with the first tokens of the prompt in it."""

    def length(self, slot: Any) -> int:
        """Tokens that a slot holds."""

    def cut(self, slot: Any, count: int) -> None:
        """Forget the last `count` tokens of a slot."""

    def choose(self, steps: Sequence[Step]) -> list[list[int]]:
        """Read the tokens of each step; give the likeliest token behind each of its last `wanted`."""


class Responder:
    """Writes replies with the backbone's responder adapter (or the bare base when `adapter` is None).

    Without an `engine` (see app.ml.decoder) the backbone computes as it is, a reply at a time.
    """

    def __init__(
        self,
        backbone: Backbone,
        adapter: str | None = ADAPTER,
        *,
        max_new_tokens: int = 160,
        max_prompt_tokens: int = 1400,
        draft_tokens: int = DRAFT_TOKENS,
        engine: Engine | None = None,
    ) -> None:
        self.backbone, self.adapter = backbone, adapter
        self.max_new_tokens, self.max_prompt_tokens, self.draft_tokens = (
            max_new_tokens,
            max_prompt_tokens,
            draft_tokens,
        )
        self._passes = _Passes(backbone, engine or _Backbone(backbone, adapter))

    def use(self, engine: Engine | None) -> None:
        """Write the replies that begin from now on with `engine`, if there is one; others end as they are."""
        if engine:
            self._passes = _Passes(self.backbone, engine)

    def encode(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> list[int]:
        """Token ids of the prompt. One that is too long loses its last passages first.

        When a single passage is too much, the tokens behind the first one go, since the question is at the end.
        """
        for count in range(len(passages), min(len(passages), 1) - 1, -1):
            ids = list(self.backbone.tokenizer(answer_prompt(question, passages[:count], history))["input_ids"])
            if len(ids) <= self.max_prompt_tokens:
                return ids
        return ids[:1] + ids[1 - self.max_prompt_tokens :]

    def waiting(self) -> int:
        """Number of replies that have not begun yet: a new one is the next behind them."""
        return self._passes.waiting()

    def stream(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Message] = (),
        priority: Priority = Priority.CUSTOMER,
    ) -> Iterator[str]:
        """Yield the reply piece by piece; the pieces joined are the reply. It ends at a line break."""
        ids: list[int] = []
        shown, ended = "", False
        with closing(self.tokens(self.encode(question, passages, history), priority)) as tokens:
            while not ended and (new := next(tokens, None)) is not None:
                ids += new
                written = self.backbone.tokenizer.decode(ids, skip_special_tokens=True)
                # A character that is not complete yet shows as U+FFFD: wait for the rest of it.
                visible = written.rstrip("\ufffd").lstrip()
                if "\n" in visible:
                    visible, ended = visible.split("\n", 1)[0].rstrip(), True
                if len(visible) > len(shown) and visible.startswith(shown):
                    yield visible[len(shown) :]
                    shown = visible

    def tokens(
        self, prompt: Sequence[int], priority: Priority = Priority.CUSTOMER, to_the_limit: bool = False
    ) -> Generator[list[int], None, None]:
        """Yield the tokens that follow a prompt, those of a pass at a time; `to_the_limit` goes past any end."""
        writing = _Writing(prompt, self.max_new_tokens, self.draft_tokens, priority)
        writing.ends = set() if to_the_limit else self._ends()
        self._passes.join(writing)
        try:
            while (new := writing.news.get()) is not None:
                if isinstance(new, BaseException):
                    raise new
                yield new
        finally:
            writing.finished = True  # the reader may have left before the end

    def _ends(self) -> set[int]:
        ends = self.backbone.model.generation_config.eos_token_id
        return {self.backbone.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}


class _Writing:
    """A reply that is being written; `news` brings its tokens to the reader, then None or an error."""

    def __init__(self, prompt: Sequence[int], limit: int, draft_tokens: int, priority: Priority) -> None:
        self.prompt, self.limit, self.priority = list(prompt), limit, priority
        self.ends: set[int] = set()
        self.reply: list[int] = []
        self.finished = False
        self.news: SimpleQueue[list[int] | BaseException | None] = SimpleQueue()
        self.slot: Any = None
        self.unread = self.prompt  # tokens that the slot does not hold yet
        self._shortest = self._draft_tokens = draft_tokens

    @property
    def capacity(self) -> int:
        return len(self.prompt) + self.limit + PASS_ROWS

    def draft(self, room: int) -> list[int]:
        """What followed the last tokens where they last stood in the prompt or the reply: three, or else two."""
        size = min(self._draft_tokens, room, self.limit - len(self.reply) - 1)
        if not self.reply or size <= 0:
            return []
        text = self.prompt + self.reply
        for length in (3, 2):
            key = text[-length:]
            for start in range(len(text) - length - 1, -1, -1):
                if text[start : start + length] == key:
                    return text[start + length : start + length + size]
        return []

    def accept(self, draft: Sequence[int], chosen: Sequence[int]) -> int:
        """Take the draft as far as the model agrees, and one token of its own; gives how far that was."""
        agreed = 0
        while agreed < len(draft) and draft[agreed] == chosen[agreed]:
            agreed += 1
        if draft:
            right = agreed == len(draft)
            self._draft_tokens = min(2 * self._draft_tokens, PASS_ROWS) if right else self._shortest
        new: list[int] = []
        for token in chosen[: agreed + 1]:
            if token not in self.ends:
                new.append(token)
            if token in self.ends or len(self.reply) + len(new) >= self.limit:
                self.finished = True
                break
        self.reply += new
        self.unread = self.reply[-1:]
        if new:
            self.news.put(new)
        if self.finished:
            self.news.put(None)
        return agreed

    def fail(self, error: BaseException) -> None:
        self.finished = True
        self.news.put(error)


class _Passes:
    """Advances all replies together, a step on the model thread for each pass, while there are any."""

    def __init__(self, backbone: Backbone, engine: Engine) -> None:
        self._executor, self._engine = backbone.executor, engine
        self._lock = threading.Lock()
        self._writings: list[_Writing] = []
        self._running = False

    def waiting(self) -> int:
        with self._lock:
            return sum(not (w.reply or w.finished) for w in self._writings)

    def join(self, writing: _Writing) -> None:
        """Take up a reply. Raises ModelError once the executor is closed."""
        with self._lock:
            self._writings.append(writing)
            if not self._running:
                self._submit()

    def _submit(self) -> None:
        priority = min(writing.priority for writing in self._writings)
        try:
            self._executor.submit(self._pass, priority)
            self._running = True
        except ModelError as error:
            self._running = False
            for writing in self._writings:
                writing.fail(error)
            self._writings = []

    def _pass(self) -> None:
        with self._lock:
            writings = [writing for writing in self._writings if not writing.finished]
        try:
            with torch.inference_mode():
                self._advance(writings)
        except Exception as error:
            for writing in writings:
                writing.fail(error)
        with self._lock:
            self._writings = [writing for writing in self._writings if not writing.finished]
            self._running = False
            if self._writings:
                self._submit()

    def _advance(self, writings: Sequence[_Writing]) -> None:
        """The next tokens of every reply that has begun, and a piece of the prompts of those that have not."""
        begun = sum(bool(writing.reply) for writing in writings)
        left = PASS_PROMPT_TOKENS
        taken: list[tuple[_Writing, list[int], Step]] = []
        for writing in writings:
            if writing.reply:
                draft = writing.draft(PASS_ROWS // begun - 1)
                step = Step(writing.slot, [*writing.unread, *draft], len(draft) + 1)
            elif left:
                if writing.slot is None:
                    writing.slot = self._engine.open(writing.prompt, writing.capacity)
                    writing.unread = writing.prompt[self._engine.length(writing.slot) :]
                draft, tokens = [], writing.unread[:left]
                writing.unread, left = writing.unread[left:], left - len(tokens)
                step = Step(writing.slot, tokens, 0 if writing.unread else 1)
            else:
                continue
            taken.append((writing, draft, step))
        chosen = self._engine.choose([step for _, _, step in taken])
        for (writing, draft, step), best in zip(taken, chosen, strict=True):
            if step.wanted:
                agreed = writing.accept(draft, best)
                if agreed < len(draft):
                    self._engine.cut(step.slot, len(draft) - agreed)


class _Backbone:
    """The engine that serves any backbone and any adapter: transformers' own forward pass."""

    def __init__(self, backbone: Backbone, adapter: str | None) -> None:
        self._backbone, self._adapter = backbone, adapter

    def open(self, prompt: Sequence[int], capacity: int) -> Any:
        return DynamicCache()

    def length(self, slot: Any) -> int:
        return int(slot.get_seq_length())

    def cut(self, slot: Any, count: int) -> None:
        slot.crop(-count)

    def choose(self, steps: Sequence[Step]) -> list[list[int]]:
        self._backbone.activate(self._adapter)
        return [self._choose(step) for step in steps]

    def _choose(self, step: Step) -> list[int]:
        output = self._backbone.model(
            input_ids=torch.tensor([step.tokens]),
            past_key_values=step.slot,
            use_cache=True,
            logits_to_keep=max(1, step.wanted),
        )
        best: list[int] = output.logits[0].argmax(-1).tolist()
        return best[: step.wanted]
