"""Fit the sentiment and topic adapter (LoRA) on labelled text: CSV or JSON Lines with text, label[, topic]."""

import argparse
import random
from pathlib import Path

from app.bootstrap import load_backbone
from app.domain.errors import InvalidInput
from app.ml.datasets import (
    LabelledText,
    fingerprint,
    load_labelled,
    split,
    without_duplicates,
    without_near_duplicates,
)
from app.ml.sentiment import SentimentClassifier
from app.ml.sentiment_task import SentimentTask
from app.ml.training import ADAPTER_NAME, TrainingConfig, fit
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--train", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--dev", nargs="+", type=Path, default=[], metavar="FILE", help="default: 5 %% of --train")
    parser.add_argument("--dev-fraction", type=float, help="of --train for dev (default: 0.05, with --dev none)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--start-from", type=Path, metavar="DIR", help="go on from this adapter (default: fresh)")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--topic-only-rows", type=int, default=6000, help="at most so many without a sentiment")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, check, fit, save; prints the last dev metrics."""
    rows = without_duplicates(load_labelled(arguments.train))
    dev = load_labelled(arguments.dev) if arguments.dev else []
    fraction = arguments.dev_fraction
    rows, part = split(rows, (0.0 if dev else 0.05) if fraction is None else fraction, arguments.seed)
    dev += part
    rows = without_near_duplicates(without_duplicates(rows, seen=dev), dev)
    rows = limit_topic_only(rows, arguments.topic_only_rows, arguments.seed)
    if len(rows) < 2:
        raise InvalidInput("There are fewer than two training rows left after removing duplicates.")
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = SentimentClassifier(backbone, ADAPTER_NAME, max_tokens=192)
    config = TrainingConfig(
        epochs=arguments.epochs, batch_size=arguments.batch_size, learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )  # fmt: skip
    metadata = {
        "task": "sentiment",
        "label_map": dict(zip(classifier.sentiments.labels, classifier.sentiments.token_ids, strict=True)),
        "topic_map": dict(zip(classifier.topics.labels, classifier.topics.token_ids, strict=True)),
        "data": [path.name for path in arguments.train],
        "data_fingerprint": fingerprint(rows),
    }
    result = fit(
        backbone, SentimentTask(classifier, rows, dev), config, arguments.output,
        start_from=arguments.start_from, resume=arguments.resume, metadata=metadata,
    )  # fmt: skip
    command_line.print_json(
        {"output": str(arguments.output), "rows": len(rows), "seconds": result["seconds"], **result["history"][-1]}
    )


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
