"""Every way of training: it learns, its folder repeats what was learned, and a kill changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.domain.errors import AdapterMismatch, InvalidInput
from app.ml.backbone import Backbone
from app.ml.methods import ADAPTER_NAME, METHODS
from app.ml.sentiment import SentimentClassifier
from app.ml.sentiment_scores import score
from app.ml.training import TrainingConfig, fit
from tests.integration.test_training import ROWS, SHORT, Killed, KilledTask, sentiment_task

CONFIG = replace(SHORT, epochs=3)
RATES = {"lora": 1e-2, "dora": 1e-2, "adalora": 3e-2, "prefix": 1e-1, "full": 2e-3}
WEIGHTS = {name: "model.safetensors" if name == "full" else "adapter_model.safetensors" for name in METHODS}


@pytest.fixture
def load(tiny_backbone_folder: Path, tmp_path: Path) -> Callable[..., Backbone]:
    return lambda folder=tiny_backbone_folder: Backbone.load(str(folder), tmp_path, dtype="float32", threads=1)


def config_of(method: str) -> TrainingConfig:
    return replace(CONFIG, method=method, learning_rate=RATES[method])


def logits(backbone: Backbone, adapter: str | None) -> torch.Tensor:
    return score(SentimentClassifier(backbone, adapter), ROWS).sentiment


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_and_its_folder_repeats_what_it_learned(
    load: Callable, tmp_path: Path, method: str
) -> None:
    backbone, output = load(), tmp_path / "out"
    before = logits(backbone, None)
    history = fit(backbone, sentiment_task(backbone, dev=ROWS), config_of(method), output)["history"]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    fitted = logits(backbone, ADAPTER_NAME)
    if method == "full":
        loaded = logits(load(output), None)
    else:
        fresh = load()
        fresh.load_adapter("sentiment", output)
        loaded = logits(fresh, "sentiment")
        assert torch.equal(logits(fresh, None), before)
    assert (fitted - before).abs().max() > 1
    assert torch.allclose(loaded, fitted, atol=0.15)  # saved as bfloat16


@pytest.mark.parametrize("method", METHODS)
def test_a_method_goes_on_to_the_same_weights_after_a_kill(load: Callable, tmp_path: Path, method: str) -> None:
    whole, broken = load(), load()
    expected = fit(whole, sentiment_task(whole), config_of(method), tmp_path / "whole")
    for batches in (2, 11):  # killed twice, once in each half
        with pytest.raises(Killed):
            fit(broken, KilledTask(sentiment_task(broken), batches), config_of(method), tmp_path / "a", resume=True)
        broken = load()
    torch.manual_seed(99)  # another process draws otherwise
    result = fit(broken, sentiment_task(broken), config_of(method), tmp_path / "a", resume=True)
    assert result["history"] == expected["history"]
    a, b = (load_file(tmp_path / name / WEIGHTS[method]) for name in ("whole", "a"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_adalora_drops_ranks_and_adds_its_penalty(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    method = METHODS["adalora"](backbone, rank=4, alpha=8, total_steps=20)
    method.attach()
    assert method.penalty() > 0
    weight = method.weights()["base_model.model.model.layers.0.self_attn.q_proj.lora_E"]
    assert weight.shape[0] == 6
    task = sentiment_task(backbone)
    with torch.no_grad():
        for name, value in method.weights().items():
            if name.endswith("lora_E"):
                value.normal_()
    for step in range(20):
        task.loss([step, step + 1]).backward()
        method.after_step(step)
        backbone.model.zero_grad()
    kept = [p for name, p in method.weights().items() if name.endswith("lora_E")]
    assert sum(int((p != 0).sum()) for p in kept) == 4 * len(kept)


@pytest.mark.parametrize("method", ["dora", "adalora"])
def test_relatives_of_lora_load_beside_a_lora_adapter(load: Callable, tmp_path: Path, method: str) -> None:
    for name in ("lora", method):
        backbone = load()
        fit(backbone, sentiment_task(backbone), replace(config_of(name), epochs=1), tmp_path / name)
    alone, together = load(), load()
    alone.load_adapter("x", tmp_path / method)
    together.load_adapter("other", tmp_path / "lora")
    together.load_adapter("x", tmp_path / method)
    assert torch.equal(logits(alone, "x"), logits(together, "x"))


def test_a_prefix_and_another_adapter_refuse_each_other(load: Callable, tmp_path: Path) -> None:
    for name in ("lora", "prefix"):
        backbone = load()
        fit(backbone, sentiment_task(backbone), replace(config_of(name), epochs=1), tmp_path / name)
    for first, second in (("lora", "prefix"), ("prefix", "lora")):
        backbone = load()
        backbone.load_adapter("first", tmp_path / first)
        with pytest.raises(AdapterMismatch, match="shares the backbone with no other"):
            backbone.load_adapter("second", tmp_path / second)


def test_a_whole_model_is_no_adapter(load: Callable, tiny_backbone_folder: Path) -> None:
    with pytest.raises(AdapterMismatch, match="set BELLWETHER_BACKBONE to it"):
        load().load_adapter("sentiment", tiny_backbone_folder)


def test_padding_does_not_change_the_states_behind_a_prefix(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    fit(backbone, sentiment_task(backbone), replace(config_of("prefix"), epochs=1), tmp_path / "a")
    ids, mask = backbone.pad([[5, 6, 7, 8] * 8, [9, 10, 11]])
    with torch.inference_mode():
        together, alone = backbone.hidden_states(ids, mask), backbone.hidden_states(ids[1:, :3], mask[1:, :3])
    assert torch.allclose(together[1, :3], alone[0], atol=1e-4)


def test_lora_goes_on_from_an_adapter(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    fit(backbone, sentiment_task(backbone), config_of("lora"), tmp_path / "first")
    onward = load()
    still = replace(config_of("lora"), epochs=1, learning_rate=1e-9)
    result = fit(onward, sentiment_task(onward), still, tmp_path / "second", start_from=tmp_path / "first")
    assert result["started_from"] == str(tmp_path / "first")
    assert torch.allclose(logits(onward, ADAPTER_NAME), logits(backbone, ADAPTER_NAME), atol=0.1)


@pytest.mark.parametrize(
    ("trained", "change", "message"),
    [
        ("lora", {"rank": 5}, "its rank is 4 and its alpha 8, not 5 and 8. Give --rank 4"),
        ("dora", {}, "trained with another method"),
        ("prefix", {}, "trained with another method"),
    ],
)
def test_lora_refuses_to_go_on_from_another_shape(
    load: Callable, tmp_path: Path, trained: str, change: dict[str, int], message: str
) -> None:
    backbone = load()
    fit(backbone, sentiment_task(backbone), replace(config_of(trained), epochs=1), tmp_path / "first")
    onward, config = load(), replace(config_of("lora"), **change)
    with pytest.raises(AdapterMismatch, match=message):
        fit(onward, sentiment_task(onward), config, tmp_path / "second", start_from=tmp_path / "first")


def test_other_methods_go_on_from_nothing(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    with pytest.raises(InvalidInput, match="Only LoRA goes on"):
        fit(backbone, sentiment_task(backbone), config_of("dora"), tmp_path / "a", start_from=tmp_path)


def test_a_loaded_adapter_leaves_the_rotary_frequencies_exact(
    tiny_backbone_folder: Path, load: Callable, tmp_path: Path
) -> None:
    trained = load()
    fit(trained, sentiment_task(trained), replace(config_of("lora"), epochs=1), tmp_path / "a")
    backbone = Backbone.load(str(tiny_backbone_folder), tmp_path, dtype="bfloat16", threads=1)
    bare = score(SentimentClassifier(backbone, None), ROWS).sentiment
    backbone.load_adapter("sentiment", tmp_path / "a")
    assert {p.dtype for p in backbone.model.parameters()} == {torch.bfloat16}
    assert all(value.dtype == torch.float32 for name, value in backbone.model.named_buffers() if "inv_freq" in name)
    assert torch.equal(score(SentimentClassifier(backbone, None), ROWS).sentiment, bare)
