"""Fit the responder adapter (LoRA) on dialogues: JSON Lines with messages, passages, reply."""

import argparse
from pathlib import Path

from app.bootstrap import load_backbone
from app.ml.datasets import fingerprint, load_dialogues, split
from app.ml.responder import Responder
from app.ml.responder_task import ResponderTask
from app.ml.training import ADAPTER_NAME, TrainingConfig, fit
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--train", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--dev", nargs="+", type=Path, default=[], metavar="FILE", help="default: 3 %% of the training rows"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, check, fit, save; prints the last dev loss."""
    rows = load_dialogues(arguments.train)
    dev = load_dialogues(arguments.dev)
    if not dev:
        rows, dev = split(rows, 0.03, arguments.seed)
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    task = ResponderTask(Responder(backbone, ADAPTER_NAME), rows, dev)
    config = TrainingConfig(
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    metadata = {
        "task": "responder",
        "data": [path.name for path in arguments.train],
        "data_fingerprint": fingerprint(rows),
    }
    result = fit(backbone, task, config, arguments.output, resume=arguments.resume, metadata=metadata)
    command_line.print_json(
        {"output": str(arguments.output), "rows": len(rows), "seconds": result["seconds"], **result["history"][-1]}
    )


if __name__ == "__main__":
    command_line.run(main)
