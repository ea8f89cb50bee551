"""Fit a LoRA adapter: one loop for every task, with checkpoints that resume to the same result.

A task says how long an item is, what a batch costs and how good the adapter is on the dev set; the loop does
the rest: length-grouped batches, warm-up and cosine decay, clipping, checkpoints, metadata.
"""

import json
import logging
import math
import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from app.domain.errors import AdapterMismatch, InvalidInput
from app.ml.backbone import METADATA, Backbone

log = logging.getLogger(__name__)
LINEAR_LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTER_NAME = "fitted"  # of the adapter while it is being fitted


class Task(Protocol):
    """What the loop needs to know of a job."""

    def __len__(self) -> int: ...

    def length(self, index: int) -> int:
        """Tokens of item `index`."""

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        """Mean loss of a batch, a scalar with gradients."""

    def evaluate(self) -> dict[str, Any]:
        """Metrics on the dev set; `score` (higher is better) chooses the epoch that is kept."""


@dataclass(frozen=True)
class TrainingConfig:
    """Hyper-parameters of a run."""

    epochs: int = 2
    learning_rate: float = 3e-4
    batch_size: int = 16
    rank: int = 16
    alpha: int = 32
    warmup_fraction: float = 0.05
    max_grad_norm: float = 1.0
    weight_decay: float = 0.0
    seed: int = 17
    checkpoint_seconds: float = 120.0


def fit(
    backbone: Backbone,
    task: Task,
    config: TrainingConfig,
    output: Path,
    *,
    start_from: Path | None = None,
    resume: bool = False,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train an adapter into `output` and return its metadata, which is saved there too.

    It begins as the adapter in `start_from`, which must be of the same shape, or as a fresh one.

    A checkpoint is kept in `output`/checkpoint until the run ends. With `resume`, an interrupted run goes on
    from it; batches are a function of seed and step, so the result is that of an uninterrupted run. Raises
    InvalidInput when there is nothing to train on, when the loss is no number any more, or when the checkpoint
    belongs to other settings.
    """
    if not len(task):
        raise InvalidInput("There are no training rows.")
    if config.epochs < 1 or config.batch_size < 1:
        raise InvalidInput("The number of epochs and the batch size must be at least 1.")
    torch.manual_seed(config.seed)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=0.0,
        target_modules=LINEAR_LAYERS,
        task_type="CAUSAL_LM",
    )
    backbone.add_trainable_adapter(ADAPTER_NAME, lora)
    if start_from:
        _begin_as(backbone, start_from)
    run = _Run(backbone, task, config, output, dict(metadata or {}))
    if resume:
        run.restore()
    return run.train()


def _begin_as(backbone: Backbone, folder: Path) -> None:
    """Copy the weights of a saved adapter into the one to be fitted. Raises AdapterMismatch."""
    try:
        weights = load_file(folder / "adapter_model.safetensors")
        result: Any = set_peft_model_state_dict(backbone.model, weights, adapter_name=ADAPTER_NAME)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise AdapterMismatch(f"Training cannot go on from {folder}: {str(error).splitlines()[0]}") from error
    if result.unexpected_keys:
        raise AdapterMismatch(f"Training cannot go on from {folder}: it was trained with another method.")


class _Run:
    def __init__(
        self, backbone: Backbone, task: Task, config: TrainingConfig, output: Path, metadata: dict[str, Any]
    ) -> None:
        self.backbone, self.task, self.config, self.output, self.metadata = backbone, task, config, output, metadata
        self.parameters = [p for p in backbone.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.steps_per_epoch = math.ceil(len(task) / config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.step, self.seconds, self.best = 0, 0.0, -math.inf
        self.smooth_loss: float | None = None
        self.history: list[dict[str, Any]] = []
        self.identity = {
            **asdict(config), "rows": len(task), "data": metadata.get("data_fingerprint", ""),
            "backbone": backbone.revision,
        }  # fmt: skip
        self.checkpoint, self.older_checkpoint = output / "checkpoint", output / "checkpoint.old"

    # -- the loop ----------------------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        self.output.mkdir(parents=True, exist_ok=True)
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        bar = tqdm(total=self.total_steps, initial=self.step, desc="training", unit="batch", mininterval=2.0)
        batches: list[list[int]] = []
        while self.step < self.total_steps:
            epoch, position = divmod(self.step, self.steps_per_epoch)
            if position == 0 or not batches:
                batches = self._batches(epoch)
            self.backbone.model.train()
            loss = self._optimize(batches[position])
            smooth = self.smooth_loss = loss if self.smooth_loss is None else 0.95 * self.smooth_loss + 0.05 * loss
            self.step += 1
            self.seconds = time.monotonic() - started
            bar.update()
            bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)
            if self.step % self.steps_per_epoch == 0:
                self._end_epoch(epoch, smooth)
            if time.monotonic() - saved > self.config.checkpoint_seconds or self.step % self.steps_per_epoch == 0:
                self.save_checkpoint()
                saved = time.monotonic()
        bar.close()
        return self._finish()

    def _batches(self, epoch: int) -> list[list[int]]:
        """Batches of one epoch: shuffled, then sorted by length within blocks of 50 batches, then shuffled."""
        rng = random.Random(self.config.seed * 1000 + epoch)
        order = list(range(len(self.task)))
        rng.shuffle(order)
        size, block = self.config.batch_size, 50 * self.config.batch_size
        batches = []
        for start in range(0, len(order), block):
            part = sorted(order[start : start + block], key=self.task.length)
            batches += [part[i : i + size] for i in range(0, len(part), size)]
        rng.shuffle(batches)
        return batches

    def _optimize(self, batch: list[int]) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * self._schedule()
        loss = self.task.loss(batch)
        if not torch.isfinite(loss):
            raise InvalidInput(f"The loss is no number at batch {self.step + 1}: lower the learning rate.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _schedule(self) -> float:
        """Linear warm-up, then a cosine to zero: a factor in (0, 1]."""
        warmup = max(1, round(self.total_steps * self.config.warmup_fraction))
        if self.step < warmup:
            return (self.step + 1) / warmup
        done = (self.step - warmup) / max(1, self.total_steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * done))

    def _end_epoch(self, epoch: int, loss: float) -> None:
        self.backbone.model.eval()
        with torch.inference_mode():
            metrics = self.task.evaluate()
        score = float(metrics.get("score", -loss))
        self.history.append({"epoch": epoch + 1, "loss": round(loss, 4), **metrics})
        log.info("epoch %d: %s", epoch + 1, json.dumps(self.history[-1]))
        if score >= self.best:
            self.best = score
            self._save_weights(self.output / "best.safetensors", torch.float32)

    # -- files -------------------------------------------------------------------------------------

    def _save_weights(self, path: Path, dtype: torch.dtype) -> None:
        state = get_peft_model_state_dict(self.backbone.model, adapter_name=ADAPTER_NAME)
        scratch = path.with_suffix(".part")
        save_file({name: value.detach().to(dtype).contiguous() for name, value in state.items()}, scratch)
        os.replace(scratch, path)

    def save_checkpoint(self) -> None:
        """Write weights, optimizer and position beside each other, then swap the folder in."""
        scratch = self.output / "checkpoint.part"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        self._save_weights(scratch / "adapter.safetensors", torch.float32)
        state = {
            "optimizer": self.optimizer.state_dict(), "step": self.step, "seconds": self.seconds,
            "best": self.best, "history": self.history, "identity": self.identity, "smooth_loss": self.smooth_loss,
        }  # fmt: skip
        torch.save(state, scratch / "state.pt")
        if self.checkpoint.exists():
            shutil.rmtree(self.older_checkpoint, ignore_errors=True)
            os.replace(self.checkpoint, self.older_checkpoint)
        os.replace(scratch, self.checkpoint)
        shutil.rmtree(self.older_checkpoint, ignore_errors=True)

    def restore(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        # A kill between the two renames of save_checkpoint leaves only the older folder.
        folder = next((f for f in (self.checkpoint, self.older_checkpoint) if f.is_dir()), None)
        if folder is None:
            log.warning("No checkpoint in %s: the training starts from the beginning.", self.output)
            return
        state = torch.load(folder / "state.pt", weights_only=True)
        if {**self.identity, **state["identity"]} != self.identity:
            raise InvalidInput(
                f"The checkpoint in {folder} belongs to other data or settings. Repeat the command that began it, "
                "or leave out --resume to start again."
            )
        weights = load_file(folder / "adapter.safetensors")
        set_peft_model_state_dict(self.backbone.model, weights, adapter_name=ADAPTER_NAME)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        self.history, self.smooth_loss = state["history"], state.get("smooth_loss")
        log.info("Resumed at batch %d of %d.", self.step, self.total_steps)

    def _finish(self) -> dict[str, Any]:
        """Put the best epoch's weights in place as bfloat16, with configuration and metadata."""
        best = self.output / "best.safetensors"
        set_peft_model_state_dict(self.backbone.model, load_file(best), adapter_name=ADAPTER_NAME)
        self._save_weights(self.output / "adapter_model.safetensors", torch.bfloat16)
        peft_config = self.backbone.model.peft_config[ADAPTER_NAME]
        peft_config.base_model_name_or_path = None
        peft_config.inference_mode = True
        peft_config.save_pretrained(str(self.output))
        metadata = {
            **self.metadata,
            "config": asdict(self.config),
            "backbone_revision": self.backbone.revision,
            "rows": len(self.task),
            "seconds": round(self.seconds, 1),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "history": self.history,
        }
        (self.output / METADATA).write_text(json.dumps(metadata, ensure_ascii=False, indent=2) + "\n", "utf-8")
        for folder in (self.checkpoint, self.older_checkpoint):
            shutil.rmtree(folder, ignore_errors=True)
        best.unlink()
        return metadata
