"""Fit the judge adapter.

Reads JSON Lines with question, passage, answers (true or false) [, history], and with text, need [, history].
"""

import argparse

from app.bootstrap import load_backbone
from app.ml.datasets import split
from app.ml.judge import Judge
from app.ml.judge_task import JudgeTask, load_examples
from app.ml.training import ADAPTER_NAME
from pipelines import command_line, training_command
from pipelines.train_embedder import LEARNING_RATES as BESIDE_OTHERS

LEARNING_RATES = {**BESIDE_OTHERS, "lora": 3e-4, "dora": 3e-4}
DEV_FRACTION = 0.04


def main() -> None:
    parser = training_command.parser(
        __doc__ or "", batch_size=16, learning_rates=LEARNING_RATES, methods=tuple(LEARNING_RATES)
    )
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, fit, save; prints the last dev metrics."""
    config = training_command.config_of(arguments)
    rows, dev = load_examples(arguments.train), load_examples(arguments.dev)
    if not dev:
        rows, dev = split(rows, DEV_FRACTION, arguments.seed)
    backbone = load_backbone(command_line.settings_of(arguments), command_line.show_progress)
    task = JudgeTask(Judge(backbone, ADAPTER_NAME), rows, dev)
    training_command.run_training(arguments, backbone, task, config, rows, {"task": "judge"})


if __name__ == "__main__":
    command_line.run(main)
