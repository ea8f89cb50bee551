"""Fit the classifier of sentiment and topic on labelled text: CSV or JSON Lines with text, label[, topic]."""

import argparse
import random
from functools import partial
from pathlib import Path
from typing import Any

from app.bootstrap import load_backbone
from app.domain.errors import InvalidInput
from app.ml.datasets import (
    LabelledText,
    load_labelled,
    split,
    without_duplicates,
    without_near_duplicates,
)
from app.ml.sentiment import SentimentClassifier
from app.ml.sentiment_report import measure, save_json, save_page
from app.ml.sentiment_scores import fit_calibration, score
from app.ml.sentiment_task import CLASS_WEIGHTS, SentimentTask
from app.ml.topics import load_topics
from app.ml.training import ADAPTER_NAME
from pipelines import command_line, training_command


def main() -> None:
    parser = training_command.parser(
        __doc__ or "", batch_size=16, evaluations=2, start="the adapter of the settings, if it fits"
    )
    parser.add_argument("--dev-fraction", type=float, help="of --train for dev (default: 0.05, with --dev none)")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="CSV topic,title or a JSON object of titles")
    parser.add_argument("--topic-only-rows", type=int, default=6000, help="at most so many without a sentiment")
    parser.add_argument(
        "--class-weights", choices=CLASS_WEIGHTS, default="none", help="balanced: for skewed labels"
    )
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, check, fit, calibrate, report, save; prints the last dev metrics."""
    config = training_command.config_of(arguments)
    topics = load_topics(arguments.topics)
    rows, dev = load_rows(arguments, tuple(topics))
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = SentimentClassifier(backbone, ADAPTER_NAME, topics=tuple(topics), max_tokens=192)
    metadata = {
        "task": "sentiment",
        "label_map": dict(zip(classifier.sentiments.labels, classifier.sentiments.token_ids, strict=True)),
        "topic_map": dict(zip(classifier.topics.labels, classifier.topics.token_ids, strict=True)),
        "topics": topics,
        "options": {"class_weights": arguments.class_weights, "topics": list(topics)},
    }
    training_command.run_training(
        arguments, backbone, SentimentTask(classifier, rows, dev, class_weights=arguments.class_weights), config,
        rows, metadata, shipped=settings.sentiment_adapter,
        conclude=partial(conclude, classifier, dev, arguments.output),
    )  # fmt: skip


def load_rows(
    arguments: argparse.Namespace, topics: tuple[str, ...]
) -> tuple[list[LabelledText], list[LabelledText]]:
    """Training and dev rows that share no text. Raises InvalidInput."""
    rows = without_duplicates(load_labelled(arguments.train, topics))
    dev = load_labelled(arguments.dev, topics) if arguments.dev else []
    fraction = arguments.dev_fraction
    rows, part = split(rows, (0.0 if dev else 0.05) if fraction is None else fraction, arguments.seed)
    dev += part
    rows = without_near_duplicates(without_duplicates(rows, seen=dev), dev)
    rows = limit_topic_only(rows, arguments.topic_only_rows, arguments.seed)
    if len(rows) < 2:
        raise InvalidInput("There are fewer than two training rows left after removing duplicates.")
    if arguments.patience and not dev:
        raise InvalidInput("--patience needs rows to watch: give --dev, or a --dev-fraction above 0.")
    return rows, dev


def conclude(
    classifier: SentimentClassifier,
    dev: list[LabelledText],
    output: Path,
    metadata: dict[str, Any],
    curve: list[dict[str, float]],
) -> dict[str, Any]:
    """Fit the temperatures of the best weights and write the report; what joins the metadata."""
    scored = score(classifier, dev)
    calibration = fit_calibration(classifier, dev, scored)
    report = measure(dev, scored, calibration, classifier.topics.labels) | {
        "about": {
            "method": metadata["config"]["method"],
            "trained on": f"{metadata['rows']} rows of {', '.join(metadata['data'])}",
            "measured on": "the dev set, to which the temperatures were fitted",
            "finished": metadata["finished_at"],
        },
        "history": metadata["history"],
        "curve": curve,
    }
    save_json(report, output / "report.json")
    save_page(report, output / "report.html")
    return {"calibration": calibration.as_metadata()}


def limit_topic_only(rows: list[LabelledText], limit: int, seed: int) -> list[LabelledText]:
    """Keep every row with a sentiment and a seeded sample of those that carry a topic alone."""
    topic_only = [row for row in rows if not row.label]
    if len(topic_only) <= limit:
        return rows
    kept = set(random.Random(seed).sample(range(len(topic_only)), limit))
    chosen = [row for i, row in enumerate(topic_only) if i in kept]
    return [row for row in rows if row.label] + chosen


if __name__ == "__main__":
    command_line.run(main)
