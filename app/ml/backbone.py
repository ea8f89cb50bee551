"""One base model, loaded once, that serves LoRA adapters by name."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.domain.errors import AdapterMismatch, BackboneUnavailable
from app.ml.backbone_files import Progress, resolve_backbone
from app.ml.executor import ModelExecutor, Priority

log = logging.getLogger(__name__)
METADATA = "training.json"  # beside the weights of every adapter that was trained here
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_dtype(setting: str) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively (AVX512-BF16 or AMX), else float32."""
    if setting != "auto":
        return DTYPES[setting]
    fast = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return torch.bfloat16 if fast.get("avx512_bf16") or fast.get("amx_bf16") else torch.float32


class Backbone:
    """A causal language model with named adapters. Every step on it goes through the one executor."""

    def __init__(self, model: Any, tokenizer: Any, revision: str, executor: ModelExecutor) -> None:
        self.model, self.tokenizer, self.revision, self.executor = model, tokenizer, revision, executor
        self._active: str | None = None

    @classmethod
    def load(
        cls,
        spec: str,
        cache_dir: Path,
        *,
        dtype: str = "auto",
        threads: int | None = None,
        executor: ModelExecutor | None = None,
        progress: Progress = lambda _what, _done: None,
    ) -> "Backbone":
        """Resolve `spec` (see backbone_files) and load it. Raises BackboneUnavailable."""
        files = resolve_backbone(spec, cache_dir, progress)
        if threads:
            torch.set_num_threads(threads)
        options: dict[str, Any] = {} if files.local else {"revision": files.revision}
        progress("Loading the backbone", 0.0)
        try:
            tokenizer = AutoTokenizer.from_pretrained(files.location, **options)
            model = AutoModelForCausalLM.from_pretrained(files.location, dtype=choose_dtype(dtype), **options)
        except (OSError, ValueError, SafetensorError) as error:
            raise BackboneUnavailable(
                f"The backbone {spec} cannot be loaded: {str(error).splitlines()[0]}"
            ) from error
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.eval().requires_grad_(False)
        progress("The backbone is loaded", 1.0)
        return cls(model, tokenizer, files.revision, executor or ModelExecutor())

    # -- adapters ----------------------------------------------------------------------------------

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that are loaded."""
        return tuple(self.model.peft_config) if isinstance(self.model, PeftModel) else ()

    def load_adapter(self, name: str, folder: Path) -> dict[str, Any]:
        """Load an adapter and return the metadata saved beside it.

        Raises AdapterMismatch when the folder holds none, one of another backbone, or a prefix beside others.
        """
        if not (folder / "adapter_config.json").is_file():
            if (folder / "config.json").is_file():
                raise AdapterMismatch(f"{folder} holds a whole model, no adapter: set BELLWETHER_BACKBONE to it.")
            raise AdapterMismatch(f"There is no adapter in {folder}: adapter_config.json is missing.")
        if self.adapters and (self._has_prefix or _is_prefix(folder)):
            raise AdapterMismatch(
                f"The adapter in {folder} cannot be loaded: one that puts a prefix before the text shares the "
                "backbone with no other. Evaluate it by itself, or train with --method lora."
            )
        metadata = read_metadata(folder)
        trained_on = metadata.get("backbone_revision", self.revision)
        if trained_on != self.revision:
            raise AdapterMismatch(
                f"The adapter in {folder} was trained on backbone {trained_on[:12]}, but {self.revision[:12]} is "
                "loaded. Train it again on this backbone, or set BELLWETHER_BACKBONE to the other."
            )

        def step() -> None:
            if isinstance(self.model, PeftModel):
                self.model.load_adapter(str(folder), adapter_name=name)
            else:
                self.model = PeftModel.from_pretrained(self.model, str(folder), adapter_name=name)
            self.model.eval().requires_grad_(False)
            # Adapters are small, but a float32 product inside a bfloat16 model is slow: one dtype throughout.
            # Weights only: the rotary positions' frequencies are float32 buffers, too coarse in bfloat16.
            for weight in self.model.parameters():
                weight.data = weight.data.to(self.dtype)
            # PEFT puts the first adapter in force at once; here the bare base is, until a step asks for another.
            if not self._has_prefix:
                self._adapter_layers.disable_adapter_layers()
            self._active = None

        try:
            self.executor.run(step, Priority.CUSTOMER)
        except (ValueError, RuntimeError, KeyError, OSError, SafetensorError) as error:
            raise AdapterMismatch(f"The adapter in {folder} does not fit: {str(error).splitlines()[0]}") from error
        return metadata

    def add_trainable_adapter(self, name: str, config: PeftConfig) -> None:
        """Add a fresh adapter whose weights are float32 and take gradients."""
        self.model = get_peft_model(self.model, config, adapter_name=name, autocast_adapter_dtype=True)
        self._active = name

    # -- computing ---------------------------------------------------------------------------------

    @property
    def dtype(self) -> torch.dtype:
        return self.causal_lm.get_input_embeddings().weight.dtype

    @property
    def causal_lm(self) -> Any:
        """The model with its language-model head, under any adapters."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def _has_prefix(self) -> bool:
        """Whether the one adapter is a prefix: keys and values before the text, in every layer."""
        return isinstance(self.model, PeftModel) and self.model.active_peft_config.is_prompt_learning

    @property
    def _adapter_layers(self) -> Any:
        return self.model.base_model  # PEFT's name for the layers that it put into the model

    def activate(self, adapter: str | None) -> None:
        """Make `adapter` (or the bare base, None) the one in force. Only on the model thread."""
        if not isinstance(self.model, PeftModel) or adapter == self._active:
            return
        if self._has_prefix:
            pass  # no layer holds it: hidden_states puts it before the text, or not
        elif adapter is None:
            self._adapter_layers.disable_adapter_layers()
        else:
            if self._active is None:
                self._adapter_layers.enable_adapter_layers()
            self.model.set_adapter(adapter, inference_mode=True)
        self._active = adapter

    def run(self, adapter: str | None, step: Callable[[], Any], priority: Priority) -> Any:
        """Run `step` on the model thread with `adapter` in force and without gradients."""

        def work() -> Any:
            with torch.inference_mode():
                self.activate(adapter)
                return step()

        return self.executor.run(work, priority)

    def hidden_states(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Last hidden states, (batch, tokens, width), without the language-model head."""
        prefix = None
        if self._has_prefix and self._active:
            prefix = self.model.get_prompt(len(input_ids))
            width = self.model.active_peft_config.num_virtual_tokens
            attention_mask = torch.cat([attention_mask.new_ones(len(input_ids), width), attention_mask], 1)
        output = self.causal_lm.model(
            input_ids=input_ids, attention_mask=attention_mask, past_key_values=prefix, use_cache=False
        )
        return output.last_hidden_state

    def head_rows(self, token_ids: Sequence[int]) -> torch.Tensor:
        """The rows of the language-model head for `token_ids`, (labels, width)."""
        return self.causal_lm.get_output_embeddings().weight[list(token_ids)]

    def label_token(self, label: str) -> int:
        """The single token that stands for `label` after a colon. Raises AdapterMismatch if there is none."""
        ids = self.tokenizer(" " + label, add_special_tokens=False)["input_ids"]
        if not ids:
            raise AdapterMismatch(f"The label {label!r} has no token in this backbone's vocabulary.")
        return int(ids[0])

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Right-pad token ids: (batch, tokens) ids and mask. Causal attention makes the padding harmless."""
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[i, : len(row)] = 1
        return ids, mask

    def close(self) -> None:
        self.executor.close()


def _is_prefix(folder: Path) -> bool:
    try:
        return PeftConfig.from_pretrained(str(folder)).is_prompt_learning
    except (ValueError, TypeError, OSError):
        return False  # loading it will say what is wrong


def read_metadata(folder: Path) -> dict[str, Any]:
    """What was saved beside an adapter; nothing for one without. Raises AdapterMismatch."""
    path = folder / METADATA
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise AdapterMismatch(f"{path} is damaged: {error}. Train the adapter again.") from error
