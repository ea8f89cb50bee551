"""Which adapters are in use, where each comes from and how it measured; and the way back from a promoted one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.domain.audit import AuditEntry
from app.domain.errors import AdapterMismatch, AppError
from app.ml.backbone import read_metadata
from app.ml.registry import TASKS, AdapterRegistry

_NO_FIGURES = ("epoch", "score")  # the score is one of the others again


class Origin(StrEnum):
    """How an adapter came to be the one in use."""

    PROMOTED = "promoted"
    SHIPPED = "shipped"
    CHOSEN = "set by hand"
    NONE = "none"


@dataclass(frozen=True)
class AdapterInUse:
    """The adapter of a task in this process.

    `next_start` is what another start would use: a version, "" for the one that ships, or None for the same.
    `figures` are those of its training, `trouble` what is wrong with its files.
    """

    task: str
    origin: Origin
    folder: Path | None = None
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    line: tuple[str, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    next_start: str | None = None
    trouble: str = ""


class Adapters:
    """`promoted` holds the promoted ones, `used` the folders in use by task, `shipped` those that came along."""

    def __init__(
        self,
        promoted: Path,
        used: Mapping[str, Path | None],
        shipped: Mapping[str, Path | None],
        clock: Callable[[], datetime],
        note: Callable[[AuditEntry], None],
    ) -> None:
        self._folder, self._registry = promoted, AdapterRegistry(promoted)
        self._used, self._shipped = dict(used), dict(shipped)
        self._clock, self._note = clock, note

    def in_use(self) -> list[AdapterInUse]:
        """Every task's adapter."""
        return [self._of(task) for task in TASKS]

    def roll_back(self, task: str, by: str) -> str:
        """Return to the version before at the next start; words that say so.

        Raises NotFound when none was promoted, AdapterMismatch when the one before is gone.
        """
        back = self._registry.roll_back(task, self._clock())
        details = {"version": back or "the one that ships"}
        self._note(AuditEntry(self._clock(), by, "roll back", "adapter", task, details=details))
        return f"From the next start on, {back or 'the adapter that ships'} is used for {task}."

    def _of(self, task: str) -> AdapterInUse:
        folder = self._used.get(task)
        metadata = _training_of(folder) if folder else {}
        history = tuple(reversed(self._registry.history(task)))
        try:
            line = tuple(self._registry.line(task))
        except AppError as error:
            return AdapterInUse(task, self._origin(task, folder), folder, trouble=str(error))
        origin = self._origin(task, folder)
        version = folder.name if folder and origin is Origin.PROMOTED else ""
        planned = line[0] if line else ""
        waits = planned != version and origin in (Origin.PROMOTED, Origin.SHIPPED, Origin.NONE)
        return AdapterInUse(
            task, origin, folder, version, metadata, figures_of(metadata), line, history, planned if waits else None
        )

    def _origin(self, task: str, folder: Path | None) -> Origin:
        if folder is None:
            return Origin.NONE
        if folder.parent == self._folder / task:
            return Origin.PROMOTED
        return Origin.SHIPPED if folder == self._shipped.get(task) else Origin.CHOSEN


def _training_of(folder: Path) -> dict[str, Any]:
    """What was saved beside an adapter about its training; empty where that cannot be read."""
    try:
        return read_metadata(folder)
    except (AdapterMismatch, OSError):
        return {}


def figures_of(metadata: Mapping[str, Any]) -> dict[str, float]:
    """The measurements of the last epoch."""
    history = metadata.get("history") or [{}]
    last = history[-1] if isinstance(history, list) and isinstance(history[-1], dict) else {}
    return {
        name: float(value)
        for name, value in last.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in _NO_FIGURES
    }
