"""Measure a classifier on labelled text: n, accuracy, macro F1, per class, calibration, texts per second."""

import json
import time
from pathlib import Path

from app.bootstrap import build_classifier, load_backbone
from app.domain.news import Sentiment
from app.ml.datasets import load_labelled
from app.ml.metrics import classification_report, expected_calibration_error
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--adapter", type=Path, metavar="DIR", help="default: the adapter of the settings")
    parser.add_argument("--json", action="store_true", help="one JSON line (default: indented)")
    arguments = parser.parse_args()
    rows = load_labelled([arguments.data])
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = build_classifier(settings, backbone, arguments.adapter or settings.sentiment_adapter)
    started = time.perf_counter()
    total = len(rows)
    results = classifier.classify(
        [row.text for row in rows], progress=lambda done: command_line.show_progress("Classifying", done / total)
    )
    seconds = time.perf_counter() - started
    judged = [(row.label, result) for row, result in zip(rows, results, strict=True) if row.label]
    report = classification_report(
        [label for label, _ in judged], [result.sentiment.value for _, result in judged], list(Sentiment)
    )
    report["expected_calibration_error"] = expected_calibration_error(
        [label == result.sentiment for label, result in judged], [result.probability for _, result in judged]
    )
    topics = [(row.topic, result.topic) for row, result in zip(rows, results, strict=True) if row.topic]
    if topics:
        labels = sorted({topic for pair in topics for topic in pair})
        truth, predicted = [a for a, _ in topics], [b for _, b in topics]
        report["topic"] = classification_report(truth, predicted, labels)
    report["texts_per_second"] = total / seconds
    print(json.dumps(report, ensure_ascii=False, indent=None if arguments.json else 2))


if __name__ == "__main__":
    command_line.run(main)
