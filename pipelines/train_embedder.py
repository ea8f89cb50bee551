"""Train a contrastive adapter that makes the backbone an embedder.

Reads CSV or JSON Lines with `text` and `group`: texts of one group mean the same (a curated question, its other
phrasings, its answer, in any language).
"""

import argparse
from pathlib import Path

from app.bootstrap import load_backbone
from app.domain.errors import InvalidInput
from app.ml.datasets import read_rows
from app.ml.embedder import BackboneEmbedder
from app.ml.embedder_task import ContrastiveTask, GroupedText
from app.ml.training import ADAPTER_NAME
from pipelines import command_line, training_command

# Those that load beside other adapters, since an embedder never serves alone.
LEARNING_RATES = {"lora": 2e-4, "dora": 2e-4, "adalora": 1e-3}


def load_groups(paths: list[Path]) -> list[GroupedText]:
    """Rows with text and group. Raises InvalidInput naming file and line."""
    rows = []
    for path in paths:
        for number, row in read_rows(path):
            text, group = str(row.get("text") or "").strip(), str(row.get("group") or "").strip()
            if not text or not group:
                raise InvalidInput(f"{path}, line {number}: expected text and group.")
            rows.append(GroupedText(text, group))
    return rows


def main() -> None:
    parser = training_command.parser(
        __doc__ or "", batch_size=48, learning_rates=LEARNING_RATES, methods=tuple(LEARNING_RATES)
    )
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, fit and save."""
    config = training_command.config_of(arguments)
    rows, dev = load_groups(arguments.train), load_groups(arguments.dev)
    backbone = load_backbone(command_line.settings_of(arguments), command_line.show_progress)
    embedder = BackboneEmbedder(backbone, None, max_tokens=72)
    embedder.adapter = ADAPTER_NAME
    task = ContrastiveTask(embedder, rows, dev)
    training_command.run_training(arguments, backbone, task, config, rows, {"task": "embedder"})


if __name__ == "__main__":
    command_line.run(main)
