"""Keep the state of a run on disk so that it survives a kill at any moment."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from app.ml.methods import save_tensors


class Checkpoints:
    """One folder, swapped in as a whole. Of the two renames of a swap the first leaves only the older folder."""

    def __init__(self, output: Path) -> None:
        self.current, self.older = output / "checkpoint", output / "checkpoint.old"
        self._scratch, self._discarded = output / "checkpoint.part", output / "checkpoint.gone"

    def save(self, weights: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        """Write weights (as float32) and state beside each other, then swap the folder in."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        save_tensors(weights, self._scratch / "adapter.safetensors", torch.float32)
        torch.save(state, self._scratch / "state.pt")
        if self.current.exists():
            # If only the older folder is whole, it must not go before the new one has its name.
            self._discard(self.older)
            os.replace(self.current, self.older)
        os.replace(self._scratch, self.current)
        self._discard(self.older)

    def load(self) -> tuple[Path, dict[str, torch.Tensor], dict[str, Any]] | None:
        """Folder, weights and state of the last checkpoint, or None where there is none."""
        folder = next((f for f in (self.current, self.older) if f.is_dir()), None)
        if folder is None:
            return None
        state = torch.load(folder / "state.pt", weights_only=True)
        return folder, load_file(folder / "adapter.safetensors"), state

    def remove(self) -> None:
        """End of the run: nothing is left to go on from."""
        for folder in (self.older, self.current):
            self._discard(folder)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _discard(self, folder: Path) -> None:
        # Renamed first: a folder that is half deleted must not be taken for a checkpoint.
        shutil.rmtree(self._discarded, ignore_errors=True)
        if folder.exists():
            os.replace(folder, self._discarded)
            shutil.rmtree(self._discarded, ignore_errors=True)
