"""Prompt to streamed text: greedy decoding, a step on the model thread for each forward pass.

Answers copy their sources, so each step also checks a draft looked up in the prompt (prompt-lookup decoding,
Saxena 2023): the tokens that followed the last two tokens when they stood in the prompt. A draft that the
model would have written itself costs one pass instead of several; the text is the same either way.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from app.domain.conversations import Message, Passage
from app.ml.backbone import Backbone
from app.ml.executor import Priority
from app.ml.prompts import answer_prompt

ADAPTER = "responder"
DRAFT_TOKENS = 6


class Responder:
    """Writes replies with the backbone's responder adapter (or the bare base when `adapter` is None)."""

    def __init__(
        self,
        backbone: Backbone,
        adapter: str | None = ADAPTER,
        *,
        max_new_tokens: int = 160,
        max_prompt_tokens: int = 1400,
        draft_tokens: int = DRAFT_TOKENS,
    ) -> None:
        self.backbone, self.adapter = backbone, adapter
        self.max_new_tokens, self.max_prompt_tokens, self.draft_tokens = (
            max_new_tokens,
            max_prompt_tokens,
            draft_tokens,
        )

    def encode(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> list[int]:
        """Token ids of the prompt. One that is too long loses its last passages first.

        When a single passage is too much, the tokens behind the first one go, since the question is at the end.
        """
        for count in range(len(passages), min(len(passages), 1) - 1, -1):
            ids = list(self.backbone.tokenizer(answer_prompt(question, passages[:count], history))["input_ids"])
            if len(ids) <= self.max_prompt_tokens:
                return ids
        return ids[:1] + ids[1 - self.max_prompt_tokens :]

    def stream(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Message] = (),
        priority: Priority = Priority.CUSTOMER,
    ) -> Iterator[str]:
        """Yield the reply piece by piece; the pieces joined are the reply. It ends at a line break."""
        prompt = self.encode(question, passages, history)
        decoding = _Decoding(self, prompt)
        written, shown = "", ""
        while not decoding.finished:
            self.backbone.run(self.adapter, decoding.step, priority)
            written = self.backbone.tokenizer.decode(decoding.reply, skip_special_tokens=True)
            # A character that is not complete yet shows as U+FFFD: wait for the rest of it.
            visible = written.rstrip("\ufffd").lstrip()
            if "\n" in visible:
                visible = visible.split("\n", 1)[0].rstrip()
                decoding.finished = True
            if len(visible) > len(shown) and visible.startswith(shown):
                yield visible[len(shown) :]
                shown = visible


class _Decoding:
    """The state of one reply between steps."""

    def __init__(self, responder: Responder, prompt: list[int]) -> None:
        self.backbone, self.prompt, self.limit = responder.backbone, prompt, responder.max_new_tokens
        self.draft_tokens = responder.draft_tokens
        self.reply: list[int] = []
        self.finished = False
        self._cache: Any = DynamicCache()
        self._pending = list(prompt)  # tokens that the cache does not hold yet
        ends = responder.backbone.model.generation_config.eos_token_id
        tokenizer_end = responder.backbone.tokenizer.eos_token_id
        self._ends = {tokenizer_end, *(ends if isinstance(ends, list) else [ends])}

    def step(self) -> None:
        """One forward pass: accept the draft as far as the model agrees, and one token of its own."""
        draft = self._draft()
        ids = torch.tensor([self._pending + draft])
        output = self.backbone.model(
            input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=len(draft) + 1
        )
        chosen = output.logits[0].argmax(-1).tolist()
        agreed = 0
        while agreed < len(draft) and draft[agreed] == chosen[agreed]:
            agreed += 1
        if agreed < len(draft):
            self._cache.crop(agreed - len(draft))
        for token in chosen[: agreed + 1]:
            if token not in self._ends:
                self.reply.append(token)
            if token in self._ends or len(self.reply) >= self.limit:
                self.finished = True
                return
        self._pending = [chosen[agreed]]

    def _draft(self) -> list[int]:
        """What followed the last two tokens where they last stood in the prompt or the reply."""
        if not self.reply or not self.draft_tokens:
            return []
        text = self.prompt + self.reply
        key = text[-2:]
        for start in range(len(text) - 3, -1, -1):
            if text[start : start + 2] == key:
                return text[start + 2 : start + 2 + self.draft_tokens]
        return []
