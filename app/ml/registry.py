"""Adapters that were promoted: versions side by side, one in use, and the way back.

    adapters/responder/20250301T101500-3fa94c01/   a copy of the adapter, never changed
    adapters/responder/current                     one name a line: the version in use, then those before it
    adapters/responder/history.jsonl               what was done when, with the figures that decided

`current` is swapped by one atomic rename, so that a reader sees the old adapter or the new one. While it is missing
or empty, the adapter that ships is in use.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from app.domain.errors import AdapterMismatch, Conflict, NotFound

TASKS = ("sentiment", "responder", "embedder", "judge")
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_VERSION = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")


class AdapterRegistry:
    """The promoted adapters under `folder`. Safe with several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self, task: str) -> Path | None:
        """The folder of the promoted adapter; None while none is. Raises AdapterMismatch when it is gone."""
        line = self.line(task)
        return self._checked(task, line[0]) if line else None

    def line(self, task: str) -> list[str]:
        """The version in use and those before it, newest first."""
        try:
            names = (self._folder / task / "current").read_text("utf-8").split()
        except (FileNotFoundError, NotADirectoryError):  # a wrong data directory is reported where it is made
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise AdapterMismatch(f"{self._folder / task / 'current'} cannot be read: {error}.") from error
        if not all(_VERSION.fullmatch(name) for name in names):
            raise AdapterMismatch(f"{self._folder / task / 'current'} is damaged. Delete it to use what ships.")
        return names

    def versions(self, task: str) -> list[str]:
        """Every version that is kept, oldest first."""
        folder = self._folder / task
        return sorted(p.name for p in folder.glob("*") if _VERSION.fullmatch(p.name)) if folder.is_dir() else []

    def history(self, task: str) -> list[dict[str, Any]]:
        """What was done, oldest first; a line that a crash cut off is passed over."""
        try:
            lines = (self._folder / task / "history.jsonl").read_text("utf-8", "replace").splitlines()
        except OSError:
            return []
        return [entry for line in lines if (entry := _entry(line))]

    def promote(
        self,
        task: str,
        candidate: Path,
        now: datetime,
        details: Mapping[str, Any],
        *,
        measured: str,
        instead_of: Path | None,
    ) -> str:
        """Copy an adapter and make it current; returns the version.

        `measured` is the fingerprint of what was measured, `instead_of` the promoted adapter that it was measured
        against. Raises Conflict when either has changed since, AdapterMismatch when there is no adapter.
        """
        version = f"{now:%Y%m%dT%H%M%S}-{measured[:8]}"
        place = self._folder / task
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock"):
            line = self.line(task)
            if self.current(task) != instead_of:
                raise Conflict(f"Another {task} adapter was promoted meanwhile. Compare with that one: run again.")
            scratch = place / f".{version}"
            shutil.rmtree(scratch, ignore_errors=True)
            try:
                shutil.copytree(candidate, scratch, ignore=shutil.ignore_patterns("checkpoint*", "*.pt", ".*"))
                if adapter_fingerprint(scratch) != measured:
                    raise Conflict(f"The adapter in {candidate} has changed since it was measured. Run again.")
                os.replace(scratch, place / version)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            self._swap(task, [version, *line])
            self._log(task, {"at": now.isoformat(), "action": "promote", "version": version, **details})
        return version

    def roll_back(self, task: str, now: datetime) -> str:
        """Return to the version before; its name, or "" for the adapter that ships.

        The version that is left stays on disk. Raises NotFound, and AdapterMismatch when the one before is gone.
        """
        place = self._folder / task
        if not (place / "current").is_file():
            raise NotFound(f"No {task} adapter was promoted, so there is nothing to roll back.")
        with FileLock(place / "lock"):
            line = self.line(task)
            if not line:
                raise NotFound(f"The {task} adapter that ships is in use; there is nothing before it.")
            if len(line) > 1:
                self._checked(task, line[1])
            self._swap(task, line[1:])
            back = line[1] if len(line) > 1 else ""
            self._log(task, {"at": now.isoformat(), "action": "rollback", "from": line[0], "version": back})
        return back

    def _checked(self, task: str, version: str) -> Path:
        folder = self._folder / task / version
        if not all((folder / name).is_file() for name in (CONFIG, WEIGHTS)):
            raise AdapterMismatch(
                f"The promoted {task} adapter {folder} is not complete. Put it back, or go to the one before: "
                f"python -m pipelines.promote_adapter --task {task} --rollback"
            )
        return folder

    def _swap(self, task: str, line: list[str]) -> None:
        place = self._folder / task
        scratch = place / f"current.{os.getpid()}"
        with scratch.open("w", encoding="utf-8") as stream:
            stream.write("".join(f"{name}\n" for name in line))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, place / "current")

    def _log(self, task: str, entry: Mapping[str, Any]) -> None:
        with (self._folder / task / "history.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")


def adapter_fingerprint(folder: Path) -> str:
    """SHA-256 over configuration and weights, as hex. Raises AdapterMismatch when a file is missing."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise AdapterMismatch(f"There is no adapter in {folder}: {name} is missing.") from error
    return digest.hexdigest()


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
