"""Measure a classifier on labelled text: n, accuracy, macro F1, per class, calibration, texts per second."""

import json
import time
from pathlib import Path

from app.ml.backbone import read_metadata
from app.ml.calibration import Calibration
from app.ml.datasets import load_labelled
from app.ml.sentiment_report import measure, save_page, summary
from app.ml.sentiment_scores import score
from app.ml.topics import topics_of
from pipelines import command_line
from pipelines.trained_classifier import open_classifier


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--adapter", type=Path, metavar="DIR", help="adapter or whole model (default: the adapter of the settings)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line (default: indented)")
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write everything as a page with plots, too"
    )
    arguments = parser.parse_args()
    settings = command_line.settings_of(arguments)
    folder = arguments.adapter or settings.sentiment_adapter
    rows = load_labelled([arguments.data], tuple(topics_of(read_metadata(folder) if folder else {})))
    classifier, metadata = open_classifier(settings, folder)
    started, total = time.perf_counter(), len(rows)
    scored = score(classifier, rows, lambda done: command_line.show_progress("Classifying", done / total))
    seconds = time.perf_counter() - started
    report = measure(rows, scored, Calibration.from_metadata(metadata), classifier.topics.labels)
    if arguments.report:
        about = {"classifier": str(folder or "the bare backbone"), "measured on": arguments.data.name}
        save_page(report | {"about": about}, arguments.report)
    result = summary(report) | {"texts_per_second": total / seconds}
    print(json.dumps(result, ensure_ascii=False, indent=None if arguments.json else 2))


if __name__ == "__main__":
    command_line.run(main)
