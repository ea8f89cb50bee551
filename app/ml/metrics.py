"""Metrics of classification, calibration and retrieval. Pure functions on plain sequences."""

from collections import Counter
from collections.abc import Sequence
from typing import Any


def classification_report(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1 over labels that occur in `truth`, and precision/recall/F1/support per label."""
    pairs = Counter(zip(truth, predicted, strict=True))
    support, given = Counter(truth), Counter(predicted)
    per_class = {}
    for label in labels:
        hits = pairs[label, label]
        precision = hits / given[label] if given[label] else 0.0
        recall = hits / support[label] if support[label] else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        per_class[label] = {"precision": precision, "recall": recall, "f1": f1, "support": support[label]}
    present = [label for label in labels if support[label]]
    return {
        "n": len(truth),
        "accuracy": sum(pairs[label, label] for label in labels) / max(1, len(truth)),
        "macro_f1": sum(per_class[label]["f1"] for label in present) / max(1, len(present)),
        "per_class": per_class,
    }


def expected_calibration_error(correct: Sequence[bool], confidence: Sequence[float], bins: int = 10) -> float:
    """ECE with equal-width bins (Guo et al. 2017, arXiv:1706.04599): mean |accuracy - confidence|, weighted."""
    total = 0.0
    for low in range(bins):
        inside = [(ok, p) for ok, p in zip(correct, confidence, strict=True) if min(int(p * bins), bins - 1) == low]
        if inside:
            total += abs(sum(ok for ok, _ in inside) - sum(p for _, p in inside))
    return total / max(1, len(correct))


def reliability_bins(
    correct: Sequence[bool], confidence: Sequence[float], bins: int = 10
) -> list[dict[str, float]]:
    """The bins of a reliability diagram that hold anything: lower bound, rows, mean confidence, accuracy."""
    result = []
    for low in range(bins):
        inside = [(ok, p) for ok, p in zip(correct, confidence, strict=True) if min(int(p * bins), bins - 1) == low]
        if inside:
            n = len(inside)
            means = {"confidence": sum(p for _, p in inside) / n, "accuracy": sum(ok for ok, _ in inside) / n}
            result.append({"low": low / bins, "n": n, **means})
    return result


def confusion_matrix(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> list[list[int]]:
    """Counts with a row for each true label and a column for each predicted one, in the order of `labels`."""
    pairs = Counter(zip(truth, predicted, strict=True))
    return [[pairs[row, column] for column in labels] for row in labels]


def retrieval_report(ranks: Sequence[int | None]) -> dict[str, float]:
    """hit@1, hit@5 and mean reciprocal rank of ranks from 1; None where the source was not found."""
    n = max(1, len(ranks))
    return {
        "hit@1": sum(rank == 1 for rank in ranks) / n,
        "hit@5": sum(rank is not None and rank <= 5 for rank in ranks) / n,
        "mrr": sum(1 / rank for rank in ranks if rank) / n,
    }


def area_under_roc(truth: Sequence[bool], scores: Sequence[float]) -> float:
    """Chance that a true item scores above a false one, ties half (Mann-Whitney); 0.5 where one kind is missing."""
    order = sorted(zip(scores, truth, strict=True))
    positives = sum(truth)
    negatives = len(truth) - positives
    if not positives or not negatives:
        return 0.5
    below, wins, i = 0, 0.0, 0
    while i < len(order):
        j = i
        while j < len(order) and order[j][0] == order[i][0]:
            j += 1
        tied = [is_true for _, is_true in order[i:j]]
        wins += sum(tied) * (below + (len(tied) - sum(tied)) / 2)
        below += len(tied) - sum(tied)
        i = j
    return wins / (positives * negatives)
