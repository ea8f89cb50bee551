"""Training task of the responder: next-token cross-entropy on the reply, given passages and question."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from app.ml.datasets import DialogueExample
from app.ml.executor import Priority
from app.ml.responder import Responder


class ResponderTask:
    """Only the tokens of the reply are scored, and only they pass the language-model head."""

    def __init__(
        self, responder: Responder, train: Sequence[DialogueExample], dev: Sequence[DialogueExample]
    ) -> None:
        self.responder, self.backbone = responder, responder.backbone
        self.encoded = [self._encode(example) for example in train]
        self.dev = [self._encode(example) for example in dev]

    def _encode(self, example: DialogueExample) -> tuple[list[int], int]:
        """Token ids of prompt and reply, and where the reply begins."""
        prompt = self.responder.encode(example.messages[-1].content, example.passages, example.messages[:-1])
        tokenizer = self.backbone.tokenizer
        reply = list(tokenizer(" " + example.reply, add_special_tokens=False)["input_ids"])
        return prompt + reply + [tokenizer.eos_token_id], len(prompt)

    def __len__(self) -> int:
        return len(self.encoded)

    def length(self, index: int) -> int:
        return len(self.encoded[index][0])

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        return self._loss([self.encoded[i] for i in indices])

    def _loss(self, rows: Sequence[tuple[list[int], int]]) -> torch.Tensor:
        ids, mask = self.backbone.pad([row for row, _ in rows])
        hidden = self.backbone.hidden_states(ids, mask)
        positions = [(i, t) for i, (row, start) in enumerate(rows) for t in range(start - 1, len(row) - 1)]
        batch, time = (torch.tensor(axis) for axis in zip(*positions, strict=True))
        logits = self.backbone.causal_lm.get_output_embeddings()(hidden[batch, time])
        return cross_entropy(logits.float(), ids[batch, time + 1])

    def evaluate(self) -> dict[str, Any]:
        """Mean loss per reply token on the dev set."""
        if not self.dev:
            return {}
        losses = [
            float(self.backbone.run(self.responder.adapter, partial(self._loss, [row]), Priority.SCHEDULED))
            for row in self.dev
        ]
        mean = sum(losses) / len(losses)
        return {"dev_loss": round(mean, 4), "score": -mean}
