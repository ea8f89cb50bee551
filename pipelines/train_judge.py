"""Fit the judge adapter (LoRA).

Reads JSON Lines with question, passage, answers (true or false) [, history], and with text, need [, history].
"""

import argparse
from pathlib import Path

from app.bootstrap import load_backbone
from app.ml.datasets import fingerprint, split
from app.ml.judge import Judge
from app.ml.judge_task import JudgeTask, load_examples
from app.ml.training import ADAPTER_NAME, TrainingConfig, fit
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--train", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--dev", nargs="+", type=Path, default=[], metavar="FILE", help="default: 4 %% of --train")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, fit, save; prints the last dev metrics."""
    rows, dev = load_examples(arguments.train), load_examples(arguments.dev)
    if not dev:
        rows, dev = split(rows, 0.04, arguments.seed)
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    config = TrainingConfig(
        epochs=arguments.epochs, batch_size=arguments.batch_size, learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )  # fmt: skip
    metadata = {
        "task": "judge",
        "data": [path.name for path in arguments.train],
        "data_fingerprint": fingerprint(rows),
    }
    task = JudgeTask(Judge(backbone, ADAPTER_NAME), rows, dev)
    result = fit(backbone, task, config, arguments.output, resume=arguments.resume, metadata=metadata)
    command_line.print_json(
        {"output": str(arguments.output), "rows": len(rows), "seconds": result["seconds"], **result["history"][-1]}
    )


if __name__ == "__main__":
    command_line.run(main)
