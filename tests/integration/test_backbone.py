import json
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from app.domain.errors import AdapterMismatch, BackboneUnavailable
from app.ml.backbone import METADATA, Backbone
from app.ml.executor import Priority
from tests.tiny_model import build_tiny_backbone, save_random_adapter, write_tiny_gguf

TEXTS = ("Profit rose.", "A breach was found at the bank on Friday night.", "公司净利润下降。")
NAMES = (None, "red", "blue")


def load(folder: Path, cache: Path) -> Backbone:
    return Backbone.load(str(folder), cache, dtype="float32", threads=1)


@pytest.fixture(scope="module")
def adapters(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {
        name: save_random_adapter(tiny_backbone_folder, folder / name, seed)
        for seed, name in enumerate(("red", "blue"), 1)
    }


@pytest.fixture
def backbone(tiny_backbone_folder: Path, tmp_path: Path) -> Iterator[Backbone]:
    opened = load(tiny_backbone_folder, tmp_path)
    yield opened
    opened.close()


def states(backbone: Backbone, adapter: str | None, text: str) -> torch.Tensor:
    ids, mask = backbone.pad([backbone.tokenizer(text)["input_ids"]])
    return backbone.run(adapter, lambda: backbone.hidden_states(ids, mask), Priority.ANALYST)


def test_adapters_by_name_give_the_same_from_many_threads(backbone: Backbone, adapters: dict[str, Path]) -> None:
    for name, folder in adapters.items():
        backbone.load_adapter(name, folder)
    assert backbone.adapters == ("red", "blue")
    alone = {(name, text): states(backbone, name, text) for name in NAMES for text in TEXTS}
    for text in TEXTS:
        assert not any(torch.allclose(alone[a, text], alone[b, text]) for a, b in pairwise(NAMES))
    together: list[tuple[str | None, str, torch.Tensor]] = []

    def work(name: str | None) -> None:
        together.extend((name, text, states(backbone, name, text)) for _ in range(5) for text in TEXTS)

    threads = [threading.Thread(target=work, args=[name]) for name in (*NAMES, *NAMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(together) == len(threads) * 5 * len(TEXTS)
    assert all(torch.equal(result, alone[name, text]) for name, text, result in together)


def test_the_bare_backbone_stays_bare_after_loading_adapters(
    backbone: Backbone, adapters: dict[str, Path], tiny_backbone: Backbone
) -> None:
    bare = states(tiny_backbone, None, TEXTS[0])
    for name, folder in adapters.items():
        backbone.load_adapter(name, folder)
        assert torch.equal(states(backbone, None, TEXTS[0]), bare)
        assert not torch.allclose(states(backbone, name, TEXTS[0]), bare)
        assert torch.equal(states(backbone, None, TEXTS[0]), bare)


def test_no_weight_takes_gradients_after_switching(backbone: Backbone, adapters: dict[str, Path]) -> None:
    for name, folder in adapters.items():
        backbone.load_adapter(name, folder)
    for name in ("red", None, "blue"):
        states(backbone, name, TEXTS[0])
        assert not any(weight.requires_grad for weight in backbone.model.parameters())


def test_padding_does_not_change_the_states_of_a_row(tiny_backbone: Backbone) -> None:
    rows = [tiny_backbone.tokenizer(text)["input_ids"] for text in TEXTS]
    ids, mask = tiny_backbone.pad(rows)
    batch = tiny_backbone.run(None, lambda: tiny_backbone.hidden_states(ids, mask), Priority.ANALYST)
    for i, text in enumerate(TEXTS):
        torch.testing.assert_close(
            batch[i, : len(rows[i])], states(tiny_backbone, None, text)[0], rtol=1e-4, atol=1e-5
        )


def test_load_adapter_refuses_one_of_another_backbone(
    tiny_backbone_folder: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """A backbone of the same shape and other weights: nothing but the recorded revision can tell."""
    other = load(build_tiny_backbone(tmp_path / "other", seed=1), tmp_path)
    revision = load(tiny_backbone_folder, tmp_path).revision
    folder = save_random_adapter(tiny_backbone_folder, tmp_path / "adapter", 1)
    (folder / METADATA).write_text(json.dumps({"backbone_revision": revision, "task": "sentiment"}))
    with pytest.raises(
        AdapterMismatch, match=f"was trained on backbone {revision[:12]}, but {other.revision[:12]}"
    ):
        other.load_adapter("red", folder)
    assert other.adapters == ()


def test_load_adapter_returns_its_metadata(backbone: Backbone, tiny_backbone_folder: Path, tmp_path: Path) -> None:
    folder = save_random_adapter(tiny_backbone_folder, tmp_path / "adapter", 1)
    metadata = {"backbone_revision": backbone.revision, "task": "sentiment"}
    (folder / METADATA).write_text(json.dumps(metadata))
    assert backbone.load_adapter("red", folder) == metadata


@pytest.mark.parametrize("damage", ["empty", "config", "weights", "metadata", "shape"])
def test_load_adapter_refuses_what_is_no_adapter_of_this_backbone(
    backbone: Backbone, tiny_backbone_folder: Path, tiny_backbone: Backbone, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    if damage != "empty":
        save_random_adapter(tiny_backbone_folder, folder, 1)
    if damage == "config":
        (folder / "adapter_config.json").write_text("{")
    if damage == "weights":
        (folder / "adapter_model.safetensors").write_bytes(b"\x10")
    if damage == "metadata":
        (folder / METADATA).write_text("[1, 2")
    if damage == "shape":
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 7}))
    with pytest.raises(AdapterMismatch, match=str(folder)):
        backbone.load_adapter("red", folder)
    assert torch.equal(states(backbone, None, TEXTS[0]), states(tiny_backbone, None, TEXTS[0]))


def test_load_refuses_damaged_weights(tmp_path: Path) -> None:
    folder = build_tiny_backbone(tmp_path / "backbone")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(BackboneUnavailable, match="cannot be loaded"):
        load(folder, tmp_path)


def test_label_tokens_are_one_a_label(tiny_backbone: Backbone) -> None:
    tokens = [tiny_backbone.label_token(label) for label in ("negative", "neutral", "positive")]
    assert [tiny_backbone.tokenizer.decode([token]) for token in tokens] == [" negative", " neutral", " positive"]
    with pytest.raises(AdapterMismatch, match="has no token"):
        tiny_backbone_without_tokens(tiny_backbone).label_token("")


def tiny_backbone_without_tokens(backbone: Backbone) -> Backbone:
    return Backbone(backbone.model, lambda text, **_: {"input_ids": []}, backbone.revision, backbone.executor)


def test_a_gguf_file_is_converted_once_and_keeps_its_weights(tiny_backbone_folder: Path, tmp_path: Path) -> None:
    source, cache = tmp_path / "tiny.gguf", tmp_path / "cache"
    write_tiny_gguf(tiny_backbone_folder, source)
    heard: list[str] = []
    converted = Backbone.load(
        str(source), cache, dtype="float32", threads=1, progress=lambda what, _done: heard.append(what)
    )
    assert any(what.startswith("De-quantizing") for what in heard)
    original = load(tiny_backbone_folder, tmp_path).model.state_dict()
    for name, weight in converted.model.state_dict().items():
        torch.testing.assert_close(weight, original[name], rtol=2**-8, atol=1e-6)  # bfloat16 keeps 8 bits
    assert (
        converted.tokenizer.decode(converted.tokenizer("abc 好")["input_ids"], skip_special_tokens=True) == "abc 好"
    )
    heard.clear()
    again = Backbone.load(str(source), cache, threads=1, progress=lambda what, _done: heard.append(what))
    assert not any(what.startswith("De-quantizing") for what in heard)
    assert again.revision == converted.revision


@pytest.mark.parametrize("kept", [4, 5_000, 200_000])
def test_load_refuses_a_gguf_file_that_was_cut_off(tiny_backbone_folder: Path, tmp_path: Path, kept: int) -> None:
    source = tmp_path / "tiny.gguf"
    write_tiny_gguf(tiny_backbone_folder, source)
    source.write_bytes(source.read_bytes()[:kept])
    with pytest.raises(BackboneUnavailable, match=r"tiny\.gguf could not be converted"):
        load(source, tmp_path / "cache")
