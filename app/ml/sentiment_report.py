"""What a classifier gets right and wrong on labelled rows: as JSON, and as one page with plots."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.guardrails import language_of
from app.domain.news import Sentiment
from app.ml.calibration import Calibration
from app.ml.datasets import LabelledText
from app.ml.metrics import (
    classification_report,
    confusion_matrix,
    expected_calibration_error,
    reliability_bins,
)
from app.ml.sentiment_scores import Scored, nearest_topic, probabilities

LABELS = [label.value for label in Sentiment]
LENGTHS = ((60, "up to 60 characters"), (140, "61 to 140"), (400, "141 to 400"), (10**9, "over 400"))
WORST = 20  # errors shown
TEMPLATE = "sentiment_report.html.j2"


@dataclass(frozen=True)
class _Judged:
    row: LabelledText
    given: str
    probability: float

    @property
    def right(self) -> bool:
        return self.row.label == self.given


def measure(
    rows: Sequence[LabelledText], scored: Scored, calibration: Calibration, topics: Sequence[str]
) -> dict[str, Any]:
    """Every figure of the report. `topics` are in the order of the topic logits."""
    judged = _judge(rows, probabilities(calibration, rows, scored))
    raw = _judge(rows, probabilities(Calibration(), rows, scored))
    truth, given = [j.row.label for j in judged], [j.given for j in judged]
    report = classification_report(truth, given, LABELS)
    return {
        **report,
        "expected_calibration_error": _calibration_error(judged),
        "confusion": {"labels": LABELS, "counts": confusion_matrix(truth, given, LABELS)},
        **_topic_part(rows, scored, topics),
        "calibration": {
            "temperatures": calibration.as_metadata(),
            "before": _reliability(raw),
            "after": _reliability(judged),
        },
        "slices": {
            "language": _slices(judged, lambda row: language_of(row.text)),
            "style": _slices(judged, lambda row: row.style or "not given"),
            "length": _slices(judged, lambda row: next(n for most, n in LENGTHS if len(row.text) <= most)),
        },
        "worst": [
            {
                "text": j.row.text, "entity": j.row.entity, "label": j.row.label, "predicted": j.given,
                "probability": j.probability,
            }
            for j in sorted((j for j in judged if not j.right), key=lambda j: -j.probability)[:WORST]
        ],
    }  # fmt: skip


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that a command prints."""
    names = ("n", "accuracy", "macro_f1", "per_class", "expected_calibration_error", "confusion", "topic")
    return {name: report[name] for name in names if name in report}


def save_json(report: Mapping[str, Any], path: Path) -> None:
    """Write the report, in place at once or not at all."""
    _replace(path, json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def save_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as one HTML page that needs no other file and no host."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    curves = {name: _polyline(report.get("curve", []), name) for name in ("loss", "learning_rate")}
    page = environment.get_template(TEMPLATE).render(report=report, curves=curves)
    _replace(path, page)


def _judge(rows: Sequence[LabelledText], given: Scored) -> list[_Judged]:
    best, place = given.sentiment.max(1)
    chosen = zip(rows, place.tolist(), best.tolist(), strict=True)
    return [_Judged(row, LABELS[i], p) for row, i, p in chosen if row.label]


def _calibration_error(judged: Sequence[_Judged]) -> float:
    return expected_calibration_error([j.right for j in judged], [j.probability for j in judged])


def _reliability(judged: Sequence[_Judged]) -> dict[str, Any]:
    bins = reliability_bins([j.right for j in judged], [j.probability for j in judged])
    return {"expected_calibration_error": _calibration_error(judged), "bins": bins}


def _slices(judged: Sequence[_Judged], name_of: Callable[[LabelledText], str]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[_Judged]] = {}
    for j in judged:
        groups.setdefault(name_of(j.row), []).append(j)
    result = {}
    for name, group in sorted(groups.items()):
        whole = classification_report([j.row.label for j in group], [j.given for j in group], LABELS)
        result[name] = {
            **{key: whole[key] for key in ("n", "accuracy", "macro_f1")},
            "expected_calibration_error": _calibration_error(group),
        }
    return result


def _topic_part(rows: Sequence[LabelledText], scored: Scored, topics: Sequence[str]) -> dict[str, Any]:
    """A topic counts as right when it is one of the row's; no part where no row has one."""
    pairs = []
    for row, scores in zip(rows, scored.topic, strict=True):
        if row.topic:
            given = topics[int(scores.argmax())]
            truth = given if given in row.topic.split("|") else nearest_topic(row.topic, scores, topics)
            pairs.append((truth, given))
    if not pairs:
        return {}
    labels = sorted({topic for pair in pairs for topic in pair})
    return {"topic": classification_report([a for a, _ in pairs], [b for _, b in pairs], labels)}


def _polyline(curve: Sequence[Mapping[str, float]], name: str) -> dict[str, Any]:
    """Points in a box of 600 by 160 with the axis values that belong to its edges."""
    if len(curve) < 2:
        return {}
    last, top = max(point["step"] for point in curve), max(point[name] for point in curve) or 1.0
    points = [f"{600 * point['step'] / last:.1f},{160 - 160 * point[name] / top:.1f}" for point in curve]
    return {"points": " ".join(points), "last": int(last), "top": top}


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(path.name + ".part")
    scratch.write_text(text, "utf-8")
    os.replace(scratch, path)
