"""The hyper-parameters of a training."""

import math
from dataclasses import dataclass

from app.domain.errors import InvalidInput
from app.ml.methods import METHODS


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
    method: str = "lora"
    evaluations_per_epoch: int = 1
    dropout: float = 0.0  # of what goes into lora, dora and adalora
    patience: int = 0  # evaluations without a better score after which the run stops; 0: it never does

    def refuse_impossible(self) -> None:
        """Raise InvalidInput where a value makes no sense."""
        if min(self.epochs, self.batch_size, self.rank, self.evaluations_per_epoch) < 1 or self.patience < 0:
            raise InvalidInput(
                "Epochs, evaluations, rank and batch size must be at least 1, the patience at least 0."
            )
        if not 0 < self.learning_rate < math.inf:
            raise InvalidInput("The learning rate must be a number above 0.")
        if not 0 <= self.dropout < 1:
            raise InvalidInput("The dropout must be at least 0 and below 1.")
        if self.method not in METHODS:
            raise InvalidInput(f"There is no method {self.method!r}; there are {', '.join(METHODS)}.")
