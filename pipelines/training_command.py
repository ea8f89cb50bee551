"""What the commands that train share: their options, the run itself and the line that they print."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.domain.errors import AdapterMismatch, InvalidInput
from app.ml.backbone import Backbone, read_metadata
from app.ml.datasets import fingerprint
from app.ml.methods import LEARNING_RATES, METHODS, refuse_other_shape
from app.ml.training import Conclusion, Task, TrainingConfig, fit
from app.ml.training_log import open_logs
from pipelines import command_line

log = logging.getLogger(__name__)


def parser(
    description: str, *, batch_size: int, learning_rates: Mapping[str, float] = LEARNING_RATES,
    methods: Sequence[str] = tuple(METHODS), evaluations: int = 1, start: str = "none",
) -> argparse.ArgumentParser:  # fmt: skip
    """A parser with the options of every training."""
    result = command_line.parser(description)
    add = result.add_argument
    rates = ", ".join(f"{name} {learning_rates[name]:g}" for name in methods)
    add("--train", nargs="+", type=Path, required=True, metavar="FILE")
    add("--dev", nargs="*", type=Path, default=[], metavar="FILE", help="held-out rows (default: part of --train)")
    add("--output", type=Path, required=True, metavar="DIR")
    add("--method", choices=methods, default="lora", help="which weights are fitted (default: lora)")
    add("--rank", type=int, default=16, help="of lora, dora and adalora (default: 16)")
    add("--dropout", type=float, default=0.0, help="of lora, dora and adalora (default: 0)")
    add("--epochs", type=int, default=2)
    add("--batch-size", type=int, default=batch_size)
    add("--learning-rate", type=float, help=f"default: {rates}")
    add("--evaluations-per-epoch", type=int, default=evaluations, metavar="N", help="on the dev set")
    add("--patience", type=int, default=0, metavar="N", help="stop after N evaluations without a better score")
    add("--seed", type=int, default=17)
    add("--start-from", metavar="DIR|none", help=f"adapter to go on from (default: {start})")
    add("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    add("--wandb", default="", metavar="PROJECT", help="log to Weights & Biases, too")
    result.set_defaults(learning_rates=dict(learning_rates))
    return result


def config_of(arguments: argparse.Namespace) -> TrainingConfig:
    """The hyper-parameters that the command line gives. Raises InvalidInput."""
    rate = arguments.learning_rate
    config = TrainingConfig(
        epochs=arguments.epochs, batch_size=arguments.batch_size, seed=arguments.seed,
        learning_rate=arguments.learning_rates[arguments.method] if rate is None else rate,
        method=arguments.method, rank=arguments.rank, alpha=2 * arguments.rank,
        dropout=arguments.dropout,
        evaluations_per_epoch=arguments.evaluations_per_epoch, patience=arguments.patience,
    )  # fmt: skip
    config.refuse_impossible()
    return config


def run_training(
    arguments: argparse.Namespace, backbone: Backbone, task: Task, config: TrainingConfig, rows: Sequence[Any],
    metadata: Mapping[str, Any], *, shipped: Path | None = None, conclude: Conclusion | None = None,
) -> None:  # fmt: skip
    """Fit, save, and print the last metrics as one JSON line. `shipped`: what to go on from by default."""
    about = {
        **metadata,
        "data": [path.name for path in arguments.train],
        "data_fingerprint": fingerprint(rows),
    }
    result = fit(
        backbone, task, config, arguments.output, resume=arguments.resume, metadata=about, conclude=conclude,
        start_from=start_of(arguments.start_from, shipped, backbone, config),
        logs=open_logs(arguments.output, arguments.wandb),
    )  # fmt: skip
    command_line.print_json(
        {"output": str(arguments.output), "rows": len(rows), "seconds": result["seconds"], **result["history"][-1]}
    )


def start_of(asked: str | None, shipped: Path | None, backbone: Backbone, config: TrainingConfig) -> Path | None:
    """The adapter to begin as, said on standard error; None is a fresh one.

    Raises AdapterMismatch or InvalidInput when the adapter that was asked for by name does not fit.
    """
    folder = Path(asked) if asked else shipped
    if folder is None or (asked and asked.lower() == "none"):
        log.info("Starting fresh.")
        return None
    try:
        if config.method != "lora":
            raise InvalidInput("Only LoRA goes on from an adapter: leave out --start-from, or use --method lora.")
        refuse_other_shape(folder, config.rank, config.alpha)
        trained_on = read_metadata(folder).get("backbone_revision", "" if not asked else backbone.revision)
        if trained_on != backbone.revision:
            raise AdapterMismatch(f"Training cannot go on from {folder}: it was trained on another backbone.")
    except (AdapterMismatch, InvalidInput) as error:
        if asked:
            raise
        log.info("Starting fresh. (%s)", error)
        return None
    log.info("Starting from the adapter in %s.", folder)
    return folder
