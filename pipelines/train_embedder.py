"""Train a contrastive adapter that makes the backbone an embedder.

Reads CSV or JSON Lines with `text` and `group`: texts of one group mean the same (a curated question, its other
phrasings, its answer, in any language).
"""

import argparse
from pathlib import Path

from app.bootstrap import load_backbone
from app.domain.errors import InvalidInput
from app.ml.datasets import fingerprint, read_rows
from app.ml.embedder import BackboneEmbedder
from app.ml.embedder_task import ContrastiveTask, GroupedText
from app.ml.training import ADAPTER_NAME, TrainingConfig, fit
from pipelines import command_line


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
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--train", nargs="+", type=Path, required=True)
    parser.add_argument("--dev", nargs="*", type=Path, default=[])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--resume", action="store_true")
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    """Load, fit and save."""
    train_rows, dev_rows = load_groups(arguments.train), load_groups(arguments.dev)
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    embedder = BackboneEmbedder(backbone, None, max_tokens=72)
    embedder.adapter = ADAPTER_NAME
    config = TrainingConfig(
        epochs=arguments.epochs, batch_size=arguments.batch_size, learning_rate=2e-4, rank=16, seed=arguments.seed
    )
    metadata = {
        "task": "embedder",
        "data": [path.name for path in arguments.train],
        "data_fingerprint": fingerprint(train_rows),
    }
    result = fit(
        backbone, ContrastiveTask(embedder, train_rows, dev_rows), config, arguments.output,
        resume=arguments.resume, metadata=metadata,
    )  # fmt: skip
    command_line.print_json(
        {"output": str(arguments.output), "seconds": result["seconds"], **result["history"][-1]}
    )


if __name__ == "__main__":
    command_line.run(main)
