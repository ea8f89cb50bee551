"""Temperatures that make probabilities mean what they say.

Dividing logits by a temperature that was fitted on held-out rows leaves every decision as it is and makes its
probability the share of such decisions that are right (Guo et al. 2017, arXiv:1706.04599).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from app.domain.errors import AdapterMismatch

COLDEST, HOTTEST = 0.1, 10.0  # rows that are all right would call for 0
_MEND = "Run pipelines.calibrate_sentiment on the adapter."


@dataclass(frozen=True)
class Calibration:
    """Temperatures above 0; those of sentiment by language, with "" for any other."""

    sentiment: Mapping[str, float] = field(default_factory=dict)
    topic: float = 1.0

    def temperature(self, language: str) -> float:
        """The temperature of the sentiment of texts in `language`; 1 where nothing was fitted."""
        return self.sentiment.get(language, self.sentiment.get("", 1.0))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "Calibration":
        """Out of the metadata of an adapter (training.json); neutral if they hold none. Raises AdapterMismatch."""
        saved = metadata.get("calibration", {})
        try:
            result = cls(
                {str(k): float(v) for k, v in saved.get("sentiment", {}).items()}, float(saved.get("topic", 1))
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise AdapterMismatch(f"The calibration in training.json is damaged ({error}). {_MEND}") from error
        if not all(math.isfinite(t) and t > 0 for t in (*result.sentiment.values(), result.topic)):
            raise AdapterMismatch(
                f"The calibration in training.json holds a temperature that is not above 0. {_MEND}"
            )
        return result

    def as_metadata(self) -> dict[str, Any]:
        """What `from_metadata` reads."""
        return {"sentiment": {k: round(v, 4) for k, v in self.sentiment.items()}, "topic": round(self.topic, 4)}


UNCALIBRATED = Calibration()  # changes nothing


def fit_temperature(logits: torch.Tensor, labels: Sequence[int]) -> float:
    """The temperature, in [0.1, 10], that minimises the mean negative log-likelihood; 1 where there are no rows.

    `logits` are (rows, classes). The likelihood is concave in 1/T, so a golden-section search finds the best one.
    """
    if not len(labels):
        return 1.0
    exact, target = logits.double(), torch.tensor(list(labels))
    low, high, ratio = 1 / HOTTEST, 1 / COLDEST, (math.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if cross_entropy(exact * a, target) < cross_entropy(exact * b, target):
            high = b
        else:
            low = a
    return 2 / (low + high)
