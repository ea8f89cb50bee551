"""The ways to fit weights: LoRA and its relatives, a prefix, or the whole model, behind one interface."""

import os
from pathlib import Path
from typing import Any

import torch
from peft import (
    AdaLoraConfig,
    LoraConfig,
    PeftConfig,
    PrefixTuningConfig,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from app.domain.errors import AdapterMismatch, InvalidInput
from app.ml.backbone import Backbone

LINEAR_LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTER_NAME = "fitted"  # of the adapter while it is being fitted
WEIGHTS = "adapter_model.safetensors"
PREFIX_TOKENS = 20  # Li and Liang 2021, arXiv:2101.00190, use 10 to 200

# Starting points; the fewer weights a method has, the larger the steps that it bears.
LEARNING_RATES = {"lora": 3e-4, "dora": 3e-4, "adalora": 1e-3, "prefix": 1e-2, "full": 3e-5}


class Method:
    """What the loop needs to know of a way of training. The base is LoRA (Hu et al. 2021, arXiv:2106.09685)."""

    def __init__(self, backbone: Backbone, rank: int, alpha: int, total_steps: int, dropout: float = 0.0) -> None:
        self.backbone, self.rank, self.alpha, self.dropout = backbone, rank, alpha, dropout
        self.total_steps = total_steps

    def attach(self) -> None:
        """Make the weights to be fitted: float32, with gradients."""
        self.backbone.add_trainable_adapter(ADAPTER_NAME, self._peft_config())

    def _peft_config(self) -> PeftConfig:
        return self._lora_config()

    def _lora_config(self, **more: Any) -> LoraConfig:
        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=LINEAR_LAYERS,
            task_type="CAUSAL_LM", **more,
        )  # fmt: skip

    def weights(self) -> dict[str, torch.nn.Parameter]:
        """The weights that are fitted, by name."""
        named = self.backbone.model.named_parameters()
        return {name.replace(f".{ADAPTER_NAME}", ""): p for name, p in named if p.requires_grad}

    def penalty(self) -> torch.Tensor | None:
        """What is added to the loss of a batch, if anything."""
        return None

    def after_step(self, step: int) -> None:
        """Called with the step, from 0, once the optimizer has moved and before gradients are dropped."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep besides the weights."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""

    def start_from(self, folder: Path) -> None:
        """Begin as the adapter in `folder`. Raises AdapterMismatch when its shape is another."""
        raise InvalidInput(
            "Only LoRA goes on from an adapter: leave out --start-from, or train with --method lora."
        )

    def save(self, output: Path) -> None:
        """Write the weights as bfloat16, with their configuration, into `output`."""
        save_tensors(
            get_peft_model_state_dict(self.backbone.model, adapter_name=ADAPTER_NAME),
            output / WEIGHTS,
            torch.bfloat16,
        )
        _save_config(self.backbone.model.peft_config[ADAPTER_NAME], output)


class Lora(Method):
    """The method that ships: serves beside other adapters and can be gone on from."""

    def start_from(self, folder: Path) -> None:
        refuse_other_shape(folder, self.rank, self.alpha)
        try:
            weights = load_file(folder / WEIGHTS)
            result: Any = set_peft_model_state_dict(self.backbone.model, weights, adapter_name=ADAPTER_NAME)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise AdapterMismatch(f"Training cannot go on from {folder}: {str(error).splitlines()[0]}") from error
        if result.unexpected_keys:
            raise AdapterMismatch(f"Training cannot go on from {folder}: it was trained with another method.")


class Dora(Method):
    """Weight-decomposed LoRA (Liu et al. 2024, arXiv:2402.09353). Serves beside LoRA adapters."""

    def _peft_config(self) -> PeftConfig:
        return self._lora_config(use_dora=True)


class AdaLora(Method):
    """LoRA that spends its ranks where they matter (Zhang et al. 2023, arXiv:2303.10512).

    Training begins with half as many ranks again, and drops those that matter least on the way. The result is
    saved as a plain LoRA adapter that computes the same, so that it serves beside others.
    """

    def _peft_config(self) -> PeftConfig:
        total = self.total_steps
        return AdaLoraConfig(
            target_r=self.rank, init_r=self.rank + max(1, self.rank // 2), lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=LINEAR_LAYERS, task_type="CAUSAL_LM", total_step=total, tinit=total // 10,
            tfinal=0 if total < 2 else max(1, 3 * total // 10), deltaT=max(1, total // 100),
        )  # fmt: skip

    @property
    def _config(self) -> Any:
        return self.backbone.model.peft_config[ADAPTER_NAME]

    @property
    def _allocator(self) -> Any:
        return self.backbone.model.base_model.rankallocator

    def penalty(self) -> torch.Tensor:
        """PEFT's orthogonality term: it adds it in a forward pass that label-token scoring does not use."""
        gaps = []
        for name, weight in self.weights().items():
            if "lora_A" in name or "lora_B" in name:
                gram = weight @ weight.T if "lora_A" in name else weight.T @ weight
                gaps.append(torch.linalg.matrix_norm(gram - torch.eye(len(gram))))
        return self._config.orth_reg_weight * torch.stack(gaps).mean()

    def after_step(self, step: int) -> None:
        self.backbone.model.base_model.update_and_allocate(step)

    def state(self) -> dict[str, Any]:
        kept = self._allocator
        return {
            "ipt": kept.ipt, "exp_avg_ipt": kept.exp_avg_ipt, "exp_avg_unc": kept.exp_avg_unc,
            "rank_pattern": self._config.rank_pattern,
        }  # fmt: skip

    def load_state(self, state: dict[str, Any]) -> None:
        for name in ("ipt", "exp_avg_ipt", "exp_avg_unc"):
            setattr(self._allocator, name, state[name])
        self._config.rank_pattern = state["rank_pattern"]

    def save(self, output: Path) -> None:
        modules = {
            name: module for name, module in self.backbone.model.named_modules()
            if ADAPTER_NAME in getattr(module, "lora_E", {})
        }  # fmt: skip
        kept = {
            name: module.lora_E[ADAPTER_NAME].detach()[:, 0].nonzero()[:, 0] for name, module in modules.items()
        }
        rank = max(1, *map(len, kept.values()))
        tensors = {}
        for name, module in modules.items():
            a, b, e = (getattr(module, f"lora_{letter}")[ADAPTER_NAME].detach() for letter in "ABE")
            chosen, scale = kept[name], module.scaling[ADAPTER_NAME] / (module.ranknum[ADAPTER_NAME] + 1e-5)
            down, up = torch.zeros(rank, a.shape[1]), torch.zeros(b.shape[0], rank)
            down[: len(chosen)], up[:, : len(chosen)] = (a * e)[chosen], (b * scale)[:, chosen]
            # The size is shared out evenly, since bfloat16 and LoRA's own training expect it so.
            share = (up.norm() / down.norm()).sqrt() if len(chosen) else torch.tensor(1.0)
            tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = down * share, up / share
        save_tensors(tensors, output / WEIGHTS, torch.bfloat16)
        self.rank = self.alpha = rank  # so that the factor on the product is 1
        _save_config(self._lora_config(), output)


class Prefix(Method):
    """Keys and values before the text, in every layer (Li and Liang 2021, arXiv:2101.00190)."""

    def _peft_config(self) -> PeftConfig:
        # PEFT takes a head's width for hidden_size / heads, which it is not in Gemma 3.
        shape = self.backbone.causal_lm.config
        return PrefixTuningConfig(
            num_virtual_tokens=PREFIX_TOKENS, num_layers=shape.num_hidden_layers, task_type="CAUSAL_LM",
            token_dim=shape.num_key_value_heads * shape.head_dim, num_attention_heads=shape.num_key_value_heads,
        )  # fmt: skip


class Full(Method):
    """Every weight of the backbone, in float32 while it is fitted; the result is a backbone of its own."""

    def attach(self) -> None:
        self.backbone.model.float().requires_grad_(True)

    def save(self, output: Path) -> None:
        for name in ("adapter_config.json", WEIGHTS):  # of an earlier run: the folder must not pass for an adapter
            (output / name).unlink(missing_ok=True)
        model = self.backbone.model.to(torch.bfloat16)
        model.save_pretrained(output)
        self.backbone.tokenizer.save_pretrained(output)


METHODS: dict[str, type[Method]] = {
    "lora": Lora, "dora": Dora, "adalora": AdaLora, "prefix": Prefix, "full": Full
}  # fmt: skip


def refuse_other_shape(folder: Path, rank: int, alpha: int) -> None:
    """Raise AdapterMismatch unless `folder` holds a LoRA adapter of this rank and alpha."""
    try:
        config: Any = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError) as error:
        raise AdapterMismatch(f"Training cannot go on from {folder}: it holds no adapter.") from error
    if (
        not isinstance(config, LoraConfig)
        or config.use_dora
        or set(config.target_modules or ()) != {*LINEAR_LAYERS}
    ):
        raise AdapterMismatch(f"Training cannot go on from {folder}: it was trained with another method.")
    if (config.r, config.lora_alpha) != (rank, alpha):
        raise AdapterMismatch(
            f"Training cannot go on from {folder}: its rank is {config.r} and its alpha {config.lora_alpha}, not "
            f"{rank} and {alpha}. Give --rank {config.r}, or --start-from none."
        )


def save_tensors(tensors: dict[str, Any], path: Path, dtype: torch.dtype) -> None:
    """Save tensors by name, in place at once or not at all."""
    scratch = path.with_suffix(".part")
    save_file({name: value.detach().to(dtype).contiguous() for name, value in tensors.items()}, scratch)
    os.replace(scratch, path)


def _save_config(config: Any, output: Path) -> None:
    config.base_model_name_or_path = None
    config.inference_mode = True
    config.save_pretrained(str(output))
