"""Refit the temperatures of a trained classifier on held-out labelled text, and save them in its training.json."""

from pathlib import Path

from app.ml.backbone import read_metadata
from app.ml.calibration import Calibration
from app.ml.datasets import load_labelled
from app.ml.sentiment_report import measure
from app.ml.sentiment_scores import fit_calibration, score
from app.ml.topics import topics_of
from app.ml.training import write_metadata
from pipelines import command_line
from pipelines.trained_classifier import open_classifier


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--adapter", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE", help="not used in training")
    arguments = parser.parse_args()
    rows = load_labelled(arguments.data, tuple(topics_of(read_metadata(arguments.adapter))))
    classifier, metadata = open_classifier(command_line.settings_of(arguments), arguments.adapter)
    total = len(rows)
    scored = score(classifier, rows, lambda done: command_line.show_progress("Classifying", done / total))
    before = Calibration.from_metadata(metadata)
    after = fit_calibration(classifier, rows, scored)
    labels = classifier.topics.labels
    errors = {
        name: measure(rows, scored, calibration, labels)["expected_calibration_error"]
        for name, calibration in (("before", before), ("after", after))
    }
    write_metadata(arguments.adapter, metadata | {"calibration": after.as_metadata()})
    command_line.print_json(
        {
            "adapter": str(arguments.adapter),
            "calibration": after.as_metadata(),
            "expected_calibration_error": errors,
        }
    )


if __name__ == "__main__":
    command_line.run(main)
