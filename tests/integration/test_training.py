import json
import math
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model_state_dict

from app.domain.conversations import Message, Passage, Role
from app.domain.errors import InvalidInput
from app.ml import methods
from app.ml.backbone import METADATA, Backbone
from app.ml.datasets import DialogueExample, LabelledText, fingerprint
from app.ml.embedder import BackboneEmbedder
from app.ml.embedder_task import ContrastiveTask, GroupedText
from app.ml.responder import Responder
from app.ml.responder_task import ResponderTask
from app.ml.sentiment import SentimentClassifier
from app.ml.sentiment_task import SentimentTask
from app.ml.training import ADAPTER_NAME, Task, TrainingConfig, fit

CONFIG = TrainingConfig(epochs=5, batch_size=8, learning_rate=1e-2, rank=4, alpha=8)
SHORT = TrainingConfig(epochs=2, batch_size=8, learning_rate=5e-3, rank=4, alpha=8, checkpoint_seconds=0.0)
WORDS = {
    "negative": ("fell", "fined", "loss", "outage", "下降"),
    "neutral": ("held", "met", "unchanged", "renamed", "不变"),
    "positive": ("rose", "record", "profit", "won", "增长"),
}
TOPIC_OF = {"negative": "cyber", "neutral": "macro", "positive": "earnings"}


def sentiment_rows(count: int = 60) -> list[LabelledText]:
    rng = random.Random(5)
    names = ("The bank", "The lender", "Customers", "公司", "The board")
    labels = [list(WORDS)[i % 3] for i in range(count)]
    return [
        LabelledText(f"{rng.choice(names)} {rng.choice(WORDS[label])} in week {i}.", label, TOPIC_OF[label])
        for i, label in enumerate(labels)
    ]


ROWS = sentiment_rows()


@pytest.fixture
def load(tiny_backbone_folder: Path, tmp_path: Path) -> Callable[[], Backbone]:
    return lambda: Backbone.load(str(tiny_backbone_folder), tmp_path, dtype="float32", threads=1)


def sentiment_task(backbone: Backbone, dev: Sequence[LabelledText] = ()) -> SentimentTask:
    return SentimentTask(SentimentClassifier(backbone, ADAPTER_NAME), ROWS, dev)


def weights(backbone: Backbone) -> dict[str, torch.Tensor]:
    return get_peft_model_state_dict(backbone.model, adapter_name=ADAPTER_NAME)


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


class Killed(BaseException):
    """The power went off."""


class KilledTask:
    """A task that dies when its `batches` are used up."""

    def __init__(self, task: Task, batches: int) -> None:
        self._task, self.left = task, batches

    def __len__(self) -> int:
        return len(self._task)

    def length(self, index: int) -> int:
        return self._task.length(index)

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        if not self.left:
            raise Killed
        self.left -= 1
        return self._task.loss(indices)

    def evaluate(self) -> dict[str, Any]:
        return self._task.evaluate()


def test_fit_learns_its_rows_and_the_saved_adapter_repeats_them(load: Callable, tmp_path: Path) -> None:
    backbone, output = load(), tmp_path / "adapter"
    metadata = {"task": "sentiment", "data_fingerprint": fingerprint(ROWS), "label_map": {"negative": 1}}
    result = fit(backbone, sentiment_task(backbone, dev=ROWS), CONFIG, output, metadata=metadata)
    losses = [epoch["loss"] for epoch in result["history"]]
    assert losses[-1] < losses[0] / 2
    assert result["history"][-1]["accuracy"] > 0.9
    assert result["history"][-1]["topic_accuracy"] > 0.9
    fitted = SentimentClassifier(backbone, ADAPTER_NAME).classify([row.text for row in ROWS])

    fresh = load()
    assert fresh.load_adapter("sentiment", output) == result
    loaded = SentimentClassifier(fresh, "sentiment").classify([row.text for row in ROWS])
    assert [r.sentiment for r in loaded] == [r.sentiment for r in fitted]
    for a, b in zip(loaded, fitted, strict=True):
        assert list(a.scores.values()) == pytest.approx(list(b.scores.values()), abs=0.05)  # saved as bfloat16


def test_fit_saves_complete_metadata_and_nothing_else(load: Callable, tmp_path: Path) -> None:
    backbone, output = load(), tmp_path / "adapter"
    config = TrainingConfig(epochs=1, batch_size=30, rank=2)
    result = fit(
        backbone, sentiment_task(backbone), config, output, metadata={"data_fingerprint": "f", "task": "t"}
    )
    assert json.loads((output / METADATA).read_text("utf-8")) == result
    assert result["task"] == "t"
    assert result["data_fingerprint"] == "f"
    assert result["backbone_revision"] == backbone.revision
    assert result["rows"] == len(ROWS)
    assert result["config"]["seed"] == config.seed
    assert set(result["config"]) >= {"epochs", "learning_rate", "batch_size", "rank", "alpha"}
    assert result["history"][0]["epoch"] == 1
    assert {"seconds", "finished_at"} <= set(result)
    saved = {path.name for path in output.iterdir()}
    assert saved - {"README.md"} == {"adapter_config.json", "adapter_model.safetensors", METADATA}
    adapter_config = json.loads((output / "adapter_config.json").read_text())
    assert not adapter_config["base_model_name_or_path"]
    assert not adapter_config["modules_to_save"]


def test_fit_keeps_the_best_epoch(load: Callable, tmp_path: Path) -> None:
    class Fading(KilledTask):
        """Best after the first epoch."""

        scores = iter((0.9, 0.2))

        def evaluate(self) -> dict[str, Any]:
            seen.append({name: value.clone() for name, value in weights(backbone).items()})
            return {"score": next(self.scores)}

    seen: list[dict[str, torch.Tensor]] = []
    backbone = load()
    fit(backbone, Fading(sentiment_task(backbone), -1), SHORT, tmp_path / "adapter")
    kept = weights(backbone)
    assert all(torch.equal(kept[name], value) for name, value in seen[0].items())
    assert not all(torch.equal(kept[name], value) for name, value in seen[1].items())


@pytest.fixture(scope="module")
def uninterrupted(
    tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, torch.Tensor], dict[str, Any], Path]:
    """Weights, metadata and folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    backbone = Backbone.load(str(tiny_backbone_folder), folder, dtype="float32", threads=1)
    result = fit(backbone, sentiment_task(backbone), SHORT, folder)
    return weights(backbone), result, folder


@pytest.mark.parametrize("batches", [3, 8, 13])  # of 16, 8 an epoch
def test_a_run_that_was_killed_goes_on_to_the_same_weights(
    load: Callable, tmp_path: Path, uninterrupted: tuple, batches: int
) -> None:
    expected, whole, whole_folder = uninterrupted
    output, backbone = tmp_path / "adapter", load()
    with pytest.raises(Killed):
        fit(backbone, KilledTask(sentiment_task(backbone), batches), SHORT, output)
    assert not (output / "adapter_model.safetensors").exists()
    resumed = load()
    rest = KilledTask(sentiment_task(resumed), 16 - batches)  # it must not begin again
    result = fit(resumed, rest, SHORT, output, resume=True)
    assert rest.left == 0
    assert all(torch.equal(weights(resumed)[name], value) for name, value in expected.items())
    assert result["history"] == whole["history"]
    saved = [(folder / "adapter_model.safetensors").read_bytes() for folder in (output, whole_folder)]
    assert saved[0] == saved[1]


@pytest.mark.parametrize("moment", ["between the renames", "before the old one is deleted"])
def test_a_kill_while_a_checkpoint_is_put_in_place_loses_nothing(
    load: Callable, tmp_path: Path, uninterrupted: tuple, moment: str
) -> None:
    output, backbone = tmp_path / "adapter", load()
    with pytest.raises(Killed):
        fit(backbone, KilledTask(sentiment_task(backbone), 5), SHORT, output)
    if moment == "between the renames":
        os.rename(output / "checkpoint", output / "checkpoint.old")
    else:
        shutil.copytree(output / "checkpoint", output / "checkpoint.old")
    resumed = load()
    fit(resumed, sentiment_task(resumed), SHORT, output, resume=True)
    assert all(torch.equal(weights(resumed)[name], value) for name, value in uninterrupted[0].items())
    assert not list(output.glob("checkpoint*"))


def test_a_kill_during_an_evaluation_loses_nothing(load: Callable, tmp_path: Path, uninterrupted: tuple) -> None:
    class KilledWhileEvaluating(KilledTask):
        def evaluate(self) -> dict[str, Any]:
            raise Killed

    output, backbone = tmp_path / "adapter", load()
    with pytest.raises(Killed):
        fit(backbone, KilledWhileEvaluating(sentiment_task(backbone), -1), SHORT, output)
    assert (output / "checkpoint").is_dir()
    resumed = load()
    result = fit(resumed, sentiment_task(resumed), SHORT, output, resume=True)
    assert_same(weights(resumed), uninterrupted[0])
    assert result["history"] == uninterrupted[1]["history"]


class Mortality:
    """Counts what is done to files, and dies in the middle of the operation `last`."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int = -1) -> None:
        self.done, self.last = 0, last
        for owner, name, halfway in (
            (os, "replace", None),
            (shutil, "rmtree", self._half_delete),
            (torch, "save", self._half_write),
            (methods, "save_file", self._half_write),
            (Path, "write_text", None),
            (Path, "unlink", None),
        ):
            patch.setattr(owner, name, self._mortal(getattr(owner, name), halfway))

    def _mortal(self, operation: Callable, halfway: Callable | None) -> Callable:
        def perform(*arguments: Any, **options: Any) -> Any:
            self.done += 1
            if self.done == self.last:
                if halfway:
                    halfway(*arguments)
                raise Killed
            return operation(*arguments, **options)

        return perform

    @staticmethod
    def _half_delete(folder: Path, *_: Any) -> None:
        for path in sorted(folder.glob("*"))[:1]:
            os.remove(path)

    @staticmethod
    def _half_write(_content: Any, path: Path) -> None:
        path.write_bytes(b"half")


@pytest.fixture(scope="module")
def file_operations(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many things a whole run does to files."""
    folder = tmp_path_factory.mktemp("counted")
    backbone = Backbone.load(str(tiny_backbone_folder), folder, dtype="float32", threads=1)
    with pytest.MonkeyPatch.context() as patch:
        counter = Mortality(patch)
        fit(backbone, sentiment_task(backbone), SHORT, folder)
    return counter.done


MOMENTS = [random.Random(23).random() for _ in range(5)]


@pytest.mark.parametrize("moment", [*MOMENTS, -12, -10, -9, -8, -7, -5, -4, -2])  # below 0: so many before the last
def test_a_kill_in_the_middle_of_any_file_operation_loses_nothing(
    load: Callable, tmp_path: Path, uninterrupted: tuple, file_operations: int, moment: float
) -> None:
    last = 1 + (int(moment * file_operations) if moment >= 0 else file_operations + int(moment))
    output, backbone = tmp_path / "adapter", load()
    with pytest.MonkeyPatch.context() as patch:
        Mortality(patch, last)
        with pytest.raises(Killed):
            fit(backbone, sentiment_task(backbone), SHORT, output)
    resumed = load()
    result = fit(resumed, sentiment_task(resumed), SHORT, output, resume=True)
    assert result["history"] == uninterrupted[1]["history"]
    saved = [(folder / "adapter_model.safetensors").read_bytes() for folder in (output, uninterrupted[2])]
    assert saved[0] == saved[1]
    assert json.loads((output / METADATA).read_text("utf-8")) == result


def test_resuming_a_run_that_has_ended_leaves_it_as_it_is(
    load: Callable, tmp_path: Path, uninterrupted: tuple
) -> None:
    output = tmp_path / "adapter"
    shutil.copytree(uninterrupted[2], output)
    backbone = load()
    task = KilledTask(sentiment_task(backbone), 0)
    assert fit(backbone, task, SHORT, output, resume=True) == uninterrupted[1]
    with pytest.raises(Killed):  # other settings are another run
        fit(load(), task, CONFIG, output, resume=True)


def test_a_fresh_run_does_not_leave_the_checkpoint_of_another_to_be_resumed(load: Callable, tmp_path: Path) -> None:
    output, backbone = tmp_path / "adapter", load()
    with pytest.raises(Killed):
        fit(backbone, KilledTask(sentiment_task(backbone), 2), SHORT, output)
    again = load()
    with pytest.raises(Killed):
        fit(again, KilledTask(sentiment_task(again), 0), SHORT, output)
    assert not list(output.glob("checkpoint*"))


class Scripted(KilledTask):
    """Scores by script instead of by weights."""

    def __init__(self, task: Task, scores: Sequence[float], batches: int = -1) -> None:
        super().__init__(task, batches)
        self.scores = list(scores)

    def evaluate(self) -> dict[str, Any]:
        return {"score": self.scores.pop(0)}


def test_fit_evaluates_as_often_as_it_is_told(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    config = replace(SHORT, evaluations_per_epoch=3)
    history = fit(backbone, Scripted(sentiment_task(backbone), [0.1] * 6), config, tmp_path / "a")["history"]
    assert [entry["epoch"] for entry in history] == [0.375, 0.75, 1, 1.375, 1.75, 2]


def test_fit_stops_early_only_with_patience(load: Callable, tmp_path: Path) -> None:
    backbone, scores = load(), [0.5, 0.6, 0.6, 0.4, 0.9, 0.9]
    config = replace(SHORT, evaluations_per_epoch=3)
    whole = fit(backbone, Scripted(sentiment_task(backbone), scores), config, tmp_path / "a")
    assert len(whole["history"]) == 6
    backbone = load()
    config = replace(config, patience=2)
    short = fit(backbone, Scripted(sentiment_task(backbone), scores), config, tmp_path / "b")
    assert [entry["score"] for entry in short["history"]] == [0.5, 0.6, 0.6, 0.4]


def test_a_resumed_run_remembers_how_long_it_has_been_patient(load: Callable, tmp_path: Path) -> None:
    backbone, config = load(), replace(SHORT, evaluations_per_epoch=4, patience=2)
    with pytest.raises(Killed):  # after two evaluations, the second no better
        fit(backbone, Scripted(sentiment_task(backbone), [0.5, 0.4], batches=5), config, tmp_path / "a")
    backbone = load()
    task = Scripted(sentiment_task(backbone), [0.3, 0.9])
    history = fit(backbone, task, config, tmp_path / "a", resume=True)["history"]
    assert [entry["score"] for entry in history] == [0.5, 0.4, 0.3]


def test_fit_hands_the_best_weights_to_what_concludes_it(load: Callable, tmp_path: Path) -> None:
    backbone, seen = load(), []

    def conclude(metadata: dict[str, Any], curve: list[dict[str, float]]) -> dict[str, Any]:
        seen.append({name: value.clone() for name, value in weights(backbone).items()})
        assert metadata["rows"] == len(ROWS)
        assert [point["step"] for point in curve] == list(range(1, 17))
        assert curve[0]["learning_rate"] == SHORT.learning_rate > curve[-1]["learning_rate"] > 0
        assert not (tmp_path / "a" / METADATA).exists()
        return {"calibration": {"topic": 2.0}}

    result = fit(backbone, sentiment_task(backbone), SHORT, tmp_path / "a", conclude=conclude)
    assert result["calibration"] == {"topic": 2.0}
    assert json.loads((tmp_path / "a" / METADATA).read_text("utf-8")) == result
    assert_same(seen[0], weights(backbone))


def test_balanced_class_weights_let_a_rare_label_count_as_much(load: Callable) -> None:
    rows = [LabelledText("The bank fell.", "negative")] * 9 + [LabelledText("The bank rose.", "positive")]
    classifier = SentimentClassifier(load(), None)
    plain = SentimentTask(classifier, rows, [], label_smoothing=0)
    balanced = SentimentTask(classifier, rows, [], label_smoothing=0, class_weights="balanced")
    common, rare = float(plain.loss([0])), float(plain.loss([9]))
    assert float(plain.loss(range(10))) == pytest.approx(0.9 * common + 0.1 * rare, rel=1e-4)
    assert float(balanced.loss(range(10))) == pytest.approx(0.5 * common + 0.5 * rare, rel=1e-4)


@pytest.mark.parametrize("change", ["data", "settings", "backbone"])
def test_a_checkpoint_of_another_run_is_refused(load: Callable, tmp_path: Path, change: str) -> None:
    output, backbone = tmp_path / "adapter", load()
    with pytest.raises(Killed):
        fit(backbone, KilledTask(sentiment_task(backbone), 1), SHORT, output, metadata={"data_fingerprint": "a"})
    other = load()
    if change == "backbone":
        other.revision = "of other weights"
    with pytest.raises(InvalidInput, match="belongs to other data or settings"):
        fit(
            other,
            sentiment_task(other),
            CONFIG if change == "settings" else SHORT,
            output,
            resume=True,
            metadata={"data_fingerprint": "b" if change == "data" else "a"},
        )
    assert (output / "checkpoint" / "state.pt").is_file()


def test_resume_without_a_checkpoint_starts_from_the_beginning(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    config = TrainingConfig(epochs=1, batch_size=30, rank=2)
    assert len(fit(backbone, sentiment_task(backbone), config, tmp_path / "a", resume=True)["history"]) == 1


def test_fit_stops_when_the_loss_is_no_number(load: Callable, tmp_path: Path) -> None:
    class Diverged(KilledTask):
        def loss(self, indices: Sequence[int]) -> torch.Tensor:
            return super().loss(indices) * (math.nan if self.left == 0 else 1.0)

    backbone = load()
    with pytest.raises(InvalidInput, match="The loss is no number at batch 3: lower the learning rate"):
        fit(backbone, Diverged(sentiment_task(backbone), 3), SHORT, tmp_path / "a")


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(epochs=0),
        TrainingConfig(batch_size=0),
        TrainingConfig(rank=0),
        TrainingConfig(evaluations_per_epoch=0),
        TrainingConfig(patience=-1),
    ],
)
def test_fit_refuses_impossible_settings(load: Callable, tmp_path: Path, config: TrainingConfig) -> None:
    backbone = load()
    with pytest.raises(InvalidInput, match="must be at least 1"):
        fit(backbone, sentiment_task(backbone), config, tmp_path / "a")


def test_fit_refuses_to_train_on_nothing(load: Callable, tmp_path: Path) -> None:
    backbone = load()
    task = SentimentTask(SentimentClassifier(backbone, ADAPTER_NAME), [], [])
    with pytest.raises(InvalidInput, match="no training rows"):
        fit(backbone, task, CONFIG, tmp_path / "a")


def test_rows_without_a_sentiment_train_the_topic_alone(load: Callable) -> None:
    backbone = load()
    classifier = SentimentClassifier(backbone, None)
    topic_only = LabelledText("The bank fell.", "", "markets")
    whole = LabelledText("The bank fell.", "negative", "markets")
    losses = [
        float(SentimentTask(classifier, [row], [], topic_weight=weight).loss([0]))
        for row, weight in ((topic_only, 1.0), (whole, 1.0), (whole, 0.0))
    ]
    assert losses[0] + losses[2] == pytest.approx(losses[1], rel=1e-5)


def test_the_responder_learns_to_answer_from_its_passages(load: Callable, tmp_path: Path) -> None:
    fees = {"cheque": "£4", "statement": "£5", "card": "£9"}
    passages = tuple(Passage(name, f"A copy of a {name} costs {fee}.") for name, fee in fees.items())
    rows = [
        DialogueExample((Message(Role.CUSTOMER, f"What is the fee of a {name}?"),), passages, f"It is {fee}. [{i}]")
        for i, (name, fee) in enumerate(fees.items(), 1)
    ]
    backbone = load()
    config = TrainingConfig(epochs=4, batch_size=3, learning_rate=1e-2, rank=4, alpha=8)
    task = ResponderTask(Responder(backbone, ADAPTER_NAME), rows * 16, rows)
    result = fit(backbone, task, config, tmp_path / "a")
    assert result["history"][-1]["dev_loss"] < result["history"][0]["dev_loss"] / 4
    backbone = load()
    backbone.load_adapter("responder", tmp_path / "a")
    for row in rows:
        assert "".join(Responder(backbone, "responder").stream(row.messages[-1].content, passages)) == row.reply


def test_the_embedder_learns_which_texts_mean_the_same(load: Callable, tmp_path: Path) -> None:
    groups = {
        "fee": ("What is the fee?", "手续费多少？", "Cost of it"),
        "open": ("Open an account", "开户", "Join you"),
    }
    rows = [GroupedText(text, group) for group, texts in groups.items() for text in texts]
    backbone = load()
    embedder = BackboneEmbedder(backbone, None)
    embedder.adapter = ADAPTER_NAME
    config = TrainingConfig(epochs=3, batch_size=6, learning_rate=1e-2, rank=4, alpha=8)
    result = fit(backbone, ContrastiveTask(embedder, rows * 4, rows), config, tmp_path / "a")
    assert result["history"][-1]["loss"] < result["history"][0]["loss"]
    vectors = BackboneEmbedder(load(), tmp_path / "a").embed_passages([row.text for row in rows])
    cosines = torch.from_numpy(vectors @ vectors.T)
    assert cosines.diagonal().tolist() == pytest.approx([1.0] * 6, abs=1e-5)
    within = min(cosines[0, 1:3].min(), cosines[3, 4:].min())
    assert within > cosines[:3, 3:].max()
