"""Two decisions that are read off the language-model head, before a word is written.

Does this passage answer that question? The log-odds of yes both rank the passages that were found and decide
whether there is an answer at all; it is not left to the words of the responder.
What does the customer need? An answer, or a person: someone is furious, in distress, being defrauded now, or asks
for what only someone who sees the account can tell.
"""

from collections.abc import Sequence
from functools import cached_property

import torch

from app.domain.conversations import Message, Need, Passage
from app.ml.backbone import Backbone
from app.ml.executor import Priority
from app.ml.prompts import JUDGE_SUFFIX, NEED_SUFFIX, judge_text, need_text

ADAPTER = "judge"
ANSWERS = ("no", "yes")


class Judge:
    """Judges with the backbone's judge adapter (or the bare base when `adapter` is None)."""

    def __init__(self, backbone: Backbone, adapter: str | None = ADAPTER, *, max_tokens: int = 320) -> None:
        self.backbone, self.adapter, self.max_tokens = backbone, adapter, max_tokens

    @cached_property
    def answer_tokens(self) -> list[int]:
        return [self.backbone.label_token(label) for label in ANSWERS]

    @cached_property
    def need_tokens(self) -> list[int]:
        return [self.backbone.label_token(need.value) for need in Need]

    def _tokens(self, text: str, special: bool = False) -> list[int]:
        return list(self.backbone.tokenizer(text, add_special_tokens=special)["input_ids"])

    def encode_pair(self, question: str, passage: Passage, history: Sequence[Message] = ()) -> list[int]:
        """Token ids of the first decision. A prompt too long loses the end of its passage, never the question."""
        before, after = judge_text(question, passage, history)
        tail = self._tokens(after)[: self.max_tokens // 2] + self._tokens(JUDGE_SUFFIX)
        return self._tokens(before, special=True)[: self.max_tokens - len(tail)] + tail

    def encode_need(self, question: str, history: Sequence[Message] = ()) -> list[int]:
        """Token ids of the second decision. A text too long loses its middle."""
        ids, tail = self._tokens(need_text(question, history), special=True), self._tokens(NEED_SUFFIX)
        half = (self.max_tokens - len(tail)) // 2
        return (ids if len(ids) <= 2 * half else ids[:half] + ids[-half:]) + tail

    def logits(self, rows: Sequence[Sequence[int]], labels: Sequence[int]) -> torch.Tensor:
        """Logits (rows, labels) of label tokens at the last position, float32, with gradients where they are on."""
        ids, mask = self.backbone.pad(rows)
        hidden = self.backbone.hidden_states(ids, mask)
        last = hidden[torch.arange(len(ids)), mask.sum(1) - 1]
        return (last @ self.backbone.head_rows(labels).T.to(last.dtype)).float()

    def scores(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Message] = (),
        priority: Priority = Priority.CUSTOMER,
    ) -> list[float]:
        """Log-odds that each passage answers the question, in the order of the passages."""
        if not passages:
            return []
        rows = [self.encode_pair(question, passage, history) for passage in passages]
        logits = self.backbone.run(self.adapter, lambda: self.logits(rows, self.answer_tokens), priority)
        return [float(value) for value in logits[:, 1] - logits[:, 0]]

    def needs(
        self, question: str, history: Sequence[Message] = (), priority: Priority = Priority.CUSTOMER
    ) -> dict[Need, float]:
        """Probability of each need; they sum to 1."""
        row = self.encode_need(question, history)
        logits = self.backbone.run(self.adapter, lambda: self.logits([row], self.need_tokens), priority)
        return dict(zip(Need, torch.softmax(logits[0], 0).tolist(), strict=True))
