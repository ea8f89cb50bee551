"""Training task of the backbone embedder: texts of one group are drawn together, all others pushed apart."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from app.ml.embedder import BackboneEmbedder

TEMPERATURE = 0.05


@dataclass(frozen=True)
class GroupedText:
    """A text and the name of the meaning that it shares with the others of its group."""

    text: str
    group: str


class ContrastiveTask:
    """InfoNCE with in-batch negatives (van den Oord et al. 2018, arXiv:1807.03748), symmetric.

    Each text of a batch is paired with another of its group; texts of the same group that meet in a batch by
    chance are not counted as negatives.
    """

    def __init__(
        self, embedder: BackboneEmbedder, train: Sequence[GroupedText], dev: Sequence[GroupedText]
    ) -> None:
        self.embedder, self.dev, self.train = embedder, list(dev), list(train)
        self.encoded = [embedder.encode(row.text) for row in train]
        self.members: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(train):
            self.members[row.group].append(i)
        self.group_ids = {group: i for i, group in enumerate(self.members)}
        names = sorted({_domain(row.group) for row in train})
        self.domains = [names.index(_domain(row.group)) for row in train]

    def __len__(self) -> int:
        return len(self.encoded)

    def length(self, index: int) -> int:
        """Not quite: texts of one domain sort together, since they make the harder negatives in a batch."""
        return self.domains[index] * 1000 + min(len(self.encoded[index]), 999)

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        rng = random.Random(f"{list(indices)}")  # a function of the batch, so that a resumed run repeats it
        partners = [rng.choice([j for j in self.members[self.train[i].group] if j != i] or [i]) for i in indices]
        vectors = self.embedder.vectors([self.encoded[i] for i in [*indices, *partners]])
        anchors, positives = vectors[: len(indices)], vectors[len(indices) :]
        scores = anchors @ positives.T / TEMPERATURE
        groups = torch.tensor([self.group_ids[self.train[i].group] for i in indices])
        same = (groups[:, None] == groups[None, :]) & ~torch.eye(len(groups), dtype=torch.bool)
        scores = scores.masked_fill(same, -1e4)
        target = torch.arange(len(groups))
        return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2

    def evaluate(self) -> dict[str, Any]:
        """Share of dev texts whose nearest training text is of their own group."""
        if not self.dev:
            return {}
        known = torch.from_numpy(self.embedder.embed_passages([row.text for row in self.train]))
        asked = torch.from_numpy(self.embedder.embed_questions([row.text for row in self.dev]))
        nearest = (asked @ known.T).argmax(1).tolist()
        hits = [self.train[j].group == row.group for row, j in zip(self.dev, nearest, strict=True)]
        return {"accuracy_at_1": round(sum(hits) / len(hits), 4), "score": sum(hits) / len(hits)}


def _domain(group: str) -> str:
    """What stands before the colon of a group, such as a company; groups without one share a domain."""
    return group.partition(":")[0] if ":" in group else ""
