"""Where the curves of a run go while it lasts: TensorBoard files, and Weights & Biases if asked for."""

import hashlib
import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from app.domain.errors import InvalidInput

log = logging.getLogger(__name__)


class TrainingLog(Protocol):
    """A place for figures by step."""

    def begin(self, step: int, config: Mapping[str, Any]) -> None:
        """Open it; figures from after `step`, left by a run that was killed, no longer count."""

    def write(self, step: int, figures: Mapping[str, float]) -> None: ...

    def end(self) -> None:
        """Close it, if it was opened."""


class TensorBoardLog:
    """Event files in a folder, for `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The import is slow and the package optional: only who trains needs it.
        self._writer_type = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        self._writer: Any = None

    def begin(self, step: int, config: Mapping[str, Any]) -> None:
        self._writer = self._writer_type(str(self._folder), purge_step=step + 1 if step else None)
        self._writer.add_text("config", "\n".join(f"    {name}: {value}" for name, value in config.items()), step)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def end(self) -> None:
        if self._writer:
            self._writer.close()


class WandbLog:
    """A run of a Weights & Biases project; a resumed training goes on in the same one."""

    def __init__(self, project: str, output: Path) -> None:
        try:
            self._wandb = importlib.import_module("wandb")
        except ImportError as error:
            raise InvalidInput(
                "Weights & Biases is not installed: pip install wandb, or leave out --wandb."
            ) from error
        self._project, self._run_id = project, hashlib.sha256(str(output.resolve()).encode()).hexdigest()[:16]
        self._run: Any = None

    def begin(self, step: int, config: Mapping[str, Any]) -> None:
        self._run = self._wandb.init(
            project=self._project, config=dict(config), id=self._run_id, resume="allow" if step else "never"
        )

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)

    def end(self) -> None:
        if self._run:
            self._run.finish()


def open_logs(output: Path, wandb_project: str = "") -> list[TrainingLog]:
    """The logs of a training into `output`. Raises InvalidInput when Weights & Biases is asked for and missing."""
    logs: list[TrainingLog] = []
    if wandb_project:
        logs.append(WandbLog(wandb_project, output))
    try:
        logs.append(TensorBoardLog(output / "logs"))
    except ImportError:
        log.warning("TensorBoard is not installed, so no curves are logged: pip install tensorboard")
    return logs
