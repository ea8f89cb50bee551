"""Training task of the judge: cross-entropy over the label tokens of either decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from app.domain.conversations import Message, Need, Passage, Role
from app.domain.errors import InvalidInput
from app.ml.datasets import passage_of, read_rows
from app.ml.executor import Priority
from app.ml.judge import Judge
from app.ml.metrics import area_under_roc


@dataclass(frozen=True)
class JudgedPair:
    """A question, a passage, and whether it answers."""

    question: str
    passage: Passage
    answers: bool
    history: tuple[Message, ...] = ()


@dataclass(frozen=True)
class NeedExample:
    """What a customer wrote, and what they need."""

    question: str
    need: Need
    history: tuple[Message, ...] = ()


Example = JudgedPair | NeedExample


class JudgeTask:
    """The dev score is the area under the ROC curve of yes, and the share of right needs, equally."""

    def __init__(self, judge: Judge, train: Sequence[Example], dev: Sequence[Example]) -> None:
        self.judge, self.dev = judge, list(dev)
        self.pairs = [isinstance(example, JudgedPair) for example in train]
        self.encoded, self.labels = [], []
        for example in train:
            if isinstance(example, JudgedPair):
                self.encoded.append(judge.encode_pair(example.question, example.passage, example.history))
                self.labels.append(int(example.answers))
            else:
                self.encoded.append(judge.encode_need(example.question, example.history))
                self.labels.append(list(Need).index(example.need))

    def __len__(self) -> int:
        return len(self.encoded)

    def length(self, index: int) -> int:
        return len(self.encoded[index])

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        tokens = self.judge.answer_tokens + self.judge.need_tokens
        logits = self.judge.logits([self.encoded[i] for i in indices], tokens)
        pair = torch.tensor([self.pairs[i] for i in indices])
        labels = torch.tensor([self.labels[i] for i in indices])
        loss = logits.sum() * 0.0
        cut = len(self.judge.answer_tokens)
        for mask, part in ((pair, logits[:, :cut]), (~pair, logits[:, cut:])):
            if mask.any():
                total = cross_entropy(part[mask], labels[mask], label_smoothing=0.02, reduction="sum")
                loss = loss + total / len(indices)
        return loss

    def evaluate(self) -> dict[str, Any]:
        pairs = [e for e in self.dev if isinstance(e, JudgedPair)]
        needs = [e for e in self.dev if isinstance(e, NeedExample)]
        metrics: dict[str, Any] = {}
        scores = []
        if pairs:
            odds = [self.judge.scores(e.question, [e.passage], e.history, Priority.SCHEDULED)[0] for e in pairs]
            right = [(score > 0) == e.answers for score, e in zip(odds, pairs, strict=True)]
            scores.append(area_under_roc([e.answers for e in pairs], odds))
            metrics |= {"accuracy": round(sum(right) / len(right), 4), "auc": round(scores[-1], 4)}
        if needs:
            given = [self.judge.needs(e.question, e.history, Priority.SCHEDULED) for e in needs]
            hits = [max(g, key=g.__getitem__) is e.need for g, e in zip(given, needs, strict=True)]
            scores.append(sum(hits) / len(hits))
            metrics["need_accuracy"] = round(scores[-1], 4)
        return {**metrics, "score": sum(scores) / len(scores)} if scores else {}


def load_examples(paths: Sequence[Path]) -> list[Example]:
    """Rows with question, passage, answers[, history], or text, need[, history]. Raises InvalidInput."""
    examples: list[Example] = []
    for path in paths:
        for number, row in read_rows(path):
            try:
                history = tuple(Message(Role(m["role"]), str(m["content"])) for m in row.get("history") or ())
                if "need" in row:
                    examples.append(NeedExample(str(row["text"]), Need(row["need"]), history))
                else:
                    passage = passage_of(row["passage"])
                    examples.append(JudgedPair(str(row["question"]), passage, bool(row["answers"]), history))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InvalidInput(
                    f"{path}, line {number}: expected question, passage, answers, or text, need ({error})."
                ) from error
    return examples
