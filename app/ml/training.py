"""Fit weights: one loop for every task and method, with checkpoints that resume to the same result.

A task says how long an item is, what a batch costs and how good the model is on the dev set; a method says which
weights are fitted; the loop does the rest: length-grouped batches, warm-up and cosine decay, clipping,
evaluations, early stopping, checkpoints, metadata.
"""

import hashlib
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from tqdm import tqdm

from app.domain.errors import InvalidInput
from app.ml.backbone import METADATA, Backbone
from app.ml.checkpoints import Checkpoints
from app.ml.methods import ADAPTER_NAME, LINEAR_LAYERS, METHODS, Method, save_tensors
from app.ml.training_config import TrainingConfig
from app.ml.training_log import TrainingLog

__all__ = ["ADAPTER_NAME", "LINEAR_LAYERS", "Task", "TrainingConfig", "fit"]
log = logging.getLogger(__name__)
CURVE_POINTS = 300  # about so many points of the loss are kept

# Gets the metadata and the curve of a run whose best weights are in force; what it returns joins the metadata.
Conclusion = Callable[[dict[str, Any], list[dict[str, float]]], dict[str, Any]]


class Task(Protocol):
    """What the loop needs to know of a job."""

    def __len__(self) -> int: ...

    def length(self, index: int) -> int:
        """Tokens of item `index`."""

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        """Mean loss of a batch, a scalar with gradients."""

    def evaluate(self) -> dict[str, Any]:
        """Metrics on the dev set; `score` (higher is better) chooses the weights that are kept."""


def fit(
    backbone: Backbone,
    task: Task,
    config: TrainingConfig,
    output: Path,
    *,
    start_from: Path | None = None,
    resume: bool = False,
    metadata: dict[str, Any] | None = None,
    logs: Sequence[TrainingLog] = (),
    conclude: Conclusion | None = None,
) -> dict[str, Any]:
    """Train weights into `output` and return their metadata, which is saved there too.

    They begin as the adapter in `start_from`, which must be of the same shape, or fresh.

    A checkpoint is kept in `output`/checkpoint until the run ends. With `resume`, an interrupted run goes on
    from it; batches are a function of seed and step and every other random state is kept, so the result is that
    of an uninterrupted run; a run that has ended is left as it is. Raises InvalidInput when there is nothing to
    train on, when the loss is no number any more, or when the checkpoint belongs to other settings;
    AdapterMismatch when `start_from` does not fit.
    """
    if not len(task):
        raise InvalidInput("There are no training rows.")
    config.refuse_impossible()
    torch.manual_seed(config.seed)
    total_steps = math.ceil(len(task) / config.batch_size) * config.epochs
    method = METHODS[config.method](backbone, config.rank, config.alpha, total_steps, config.dropout)
    method.attach()
    if start_from:
        method.start_from(start_from)
    known = {**(metadata or {}), "started_from": str(start_from or "")}
    run = _Run(backbone, task, config, output, method, known, logs, conclude)
    if resume:
        ended = run.restore()
        if ended:
            return ended
    else:
        run.checkpoints.remove()
    try:
        return run.train()
    finally:
        for place in logs:
            place.end()


class _Run:
    def __init__(
        self, backbone: Backbone, task: Task, config: TrainingConfig, output: Path, method: Method,
        metadata: dict[str, Any], logs: Sequence[TrainingLog], conclude: Conclusion | None,
    ) -> None:  # fmt: skip
        self.backbone, self.task, self.config, self.output, self.metadata = backbone, task, config, output, metadata
        self.method, self.logs, self.conclude = method, logs, conclude
        self.weights = method.weights()
        self.optimizer = torch.optim.AdamW(
            list(self.weights.values()), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.steps_per_epoch = math.ceil(len(task) / config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.step, self.seconds, self.best, self.stale = 0, 0.0, -math.inf, 0
        self.smooth_loss: float | None = None
        self.history: list[dict[str, Any]] = []
        self.curve: list[dict[str, float]] = []
        self.identity = {
            **asdict(config), "rows": len(task), "data": metadata.get("data_fingerprint", ""),
            "backbone": backbone.revision, "options": json.dumps(metadata.get("options", {}), sort_keys=True),
            "started_from": metadata["started_from"],
        }  # fmt: skip
        self.checkpoints = Checkpoints(output)
        self.best_path = output / "best.safetensors"

    # -- the loop ----------------------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        self.output.mkdir(parents=True, exist_ok=True)
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        for place in self.logs:
            place.begin(self.step, self.identity)
        bar = tqdm(total=self.total_steps, initial=self.step, desc="training", unit="batch", mininterval=2.0)
        evaluations = self._evaluation_positions()
        batches: list[list[int]] = []
        while self.step < self.total_steps and not self._stopped:
            epoch, position = divmod(self.step, self.steps_per_epoch)
            if position == 0 or not batches:
                batches = self._batches(epoch)
            self.backbone.model.train()
            self._note(self._optimize(batches[position]))
            self.step += 1
            self.seconds = time.monotonic() - started
            bar.update()
            bar.set_postfix(loss=f"{self.smooth_loss:.3f}", lr=f"{self._learning_rate():.1e}", refresh=False)
            evaluated = position + 1 in evaluations
            if evaluated:
                self._evaluate()
            if evaluated or time.monotonic() - saved > self.config.checkpoint_seconds:
                self.save_checkpoint()
                saved = time.monotonic()
        bar.close()
        return self._finish()

    @property
    def _stopped(self) -> bool:
        return 0 < self.config.patience <= self.stale

    def _evaluation_positions(self) -> set[int]:
        """After how many batches of an epoch the dev set is looked at; always after the last."""
        count = self.config.evaluations_per_epoch
        return {math.ceil(self.steps_per_epoch * i / count) for i in range(1, count + 1)}

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
            group["lr"] = self._learning_rate()
        loss = self.task.loss(batch)
        if not torch.isfinite(loss):
            raise InvalidInput(f"The loss is no number at batch {self.step + 1}: lower the learning rate.")
        penalty = self.method.penalty()
        (loss if penalty is None else loss + penalty).backward()
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.config.max_grad_norm)
        self.optimizer.step()
        self.method.after_step(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _learning_rate(self) -> float:
        """Of the step that comes: linear warm-up, then a cosine to zero."""
        warmup = max(1, round(self.total_steps * self.config.warmup_fraction))
        if self.step < warmup:
            factor = (self.step + 1) / warmup
        else:
            done = (self.step - warmup) / max(1, self.total_steps - warmup)
            factor = 0.5 * (1 + math.cos(math.pi * done))
        return self.config.learning_rate * factor

    def _note(self, loss: float) -> None:
        self.smooth_loss = loss if self.smooth_loss is None else 0.95 * self.smooth_loss + 0.05 * loss
        if self.step % max(1, self.total_steps // CURVE_POINTS) == 0:
            point = {"step": self.step + 1, "loss": self.smooth_loss, "learning_rate": self._learning_rate()}
            self.curve.append(point)
            self._log({"train/loss": loss, "train/learning_rate": point["learning_rate"]})

    def _log(self, figures: dict[str, float]) -> None:
        for place in self.logs:
            place.write(self.step + 1, figures)

    def _evaluate(self) -> None:
        self.backbone.model.eval()
        with torch.inference_mode():
            metrics = self.task.evaluate()
        loss = self.smooth_loss or 0.0
        score = float(metrics.get("score", -loss))
        epoch = self.step / self.steps_per_epoch
        self.history.append({"epoch": int(epoch) if epoch.is_integer() else round(epoch, 3),
                             "loss": round(loss, 4), **metrics})  # fmt: skip
        log.info("epoch %s: %s", self.history[-1]["epoch"], json.dumps(self.history[-1]))
        for place in self.logs:
            place.write(self.step, {f"dev/{k}": v for k, v in metrics.items() if isinstance(v, (int, float))})
        self.stale = 0 if score > self.best else self.stale + 1
        if score >= self.best:
            self.best = score
            save_tensors(dict(self.weights), self.best_path, torch.float32)
        if self._stopped:
            log.info("No better score in %d evaluations: the training stops here.", self.stale)

    # -- files -------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Keep everything that the rest of the run depends on."""
        self.checkpoints.save(dict(self.weights), {
            "optimizer": self.optimizer.state_dict(), "step": self.step, "seconds": self.seconds,
            "best": self.best, "history": self.history, "identity": self.identity, "smooth_loss": self.smooth_loss,
            "stale": self.stale, "curve": self.curve, "method": self.method.state(),
            "random": torch.get_rng_state(),
        })  # fmt: skip

    def restore(self) -> dict[str, Any] | None:
        """Go on from the last checkpoint, if there is one; the metadata of the run if it has ended already."""
        found = self.checkpoints.load()
        if found is None:
            ended = self._ended()
            if not ended:
                log.warning("No checkpoint in %s: the training starts from the beginning.", self.output)
            return ended
        folder, weights, state = found
        if {**self.identity, **state["identity"]} != self.identity:
            raise InvalidInput(
                f"The checkpoint in {folder} belongs to other data or settings. Repeat the command that began it, "
                "or leave out --resume to start again."
            )
        self._take(weights)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        self.history, self.smooth_loss = state["history"], state.get("smooth_loss")
        self.stale, self.curve = state.get("stale", 0), state.get("curve", [])
        if "random" in state:  # a checkpoint of an earlier version holds none, and LoRA draws nothing
            torch.set_rng_state(state["random"])
            self.method.load_state(state["method"])
        log.info("Resumed at batch %d of %d.", self.step, self.total_steps)
        return None

    def _ended(self) -> dict[str, Any] | None:
        try:
            metadata = json.loads((self.output / METADATA).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return dict(metadata) if metadata.get("identity") == self._digest else None

    @property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def _take(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(weights[name])

    def _finish(self) -> dict[str, Any]:
        """Put the best weights in place as bfloat16, with configuration and metadata.

        The metadata are what says that a run has ended: they come last, before the checkpoint goes.
        """
        self._take(load_file(self.best_path))
        self.backbone.model.eval()
        metadata = {
            **self.metadata,
            "config": asdict(self.config),
            "identity": self._digest,
            "backbone_revision": self.backbone.revision,
            "rows": len(self.task),
            "seconds": round(self.seconds, 1),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "history": self.history,
        }
        if self.conclude:
            metadata |= self.conclude(metadata, self.curve)
        self.method.save(self.output)
        write_metadata(self.output, metadata)
        self.checkpoints.remove()
        for leftover in (self.best_path, self.best_path.with_suffix(".part")):
            leftover.unlink(missing_ok=True)
        return metadata


def write_metadata(folder: Path, metadata: dict[str, Any]) -> None:
    """Replace the metadata beside an adapter, at once or not at all."""
    scratch = folder / f"{METADATA}.part"
    scratch.write_text(json.dumps(metadata, ensure_ascii=False, indent=2) + "\n", "utf-8")
    os.replace(scratch, folder / METADATA)
