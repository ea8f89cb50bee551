import builtins
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from app.domain.errors import InvalidInput
from app.ml.backbone import Backbone
from app.ml.training import fit
from app.ml.training_log import WandbLog, open_logs
from tests.integration.test_training import ROWS, SHORT, Killed, KilledTask, sentiment_task


@pytest.fixture
def load(tiny_backbone_folder: Path, tmp_path: Path) -> Callable[[], Backbone]:
    return lambda: Backbone.load(str(tiny_backbone_folder), tmp_path, dtype="float32", threads=1)


def test_a_run_and_its_rest_after_a_kill_make_one_curve(load: Callable, tmp_path: Path) -> None:
    output, backbone = tmp_path / "a", load()
    with pytest.raises(Killed):
        fit(backbone, KilledTask(sentiment_task(backbone, ROWS), 5), SHORT, output, logs=open_logs(output))
    resumed = load()
    result = fit(resumed, sentiment_task(resumed, ROWS), SHORT, output, resume=True, logs=open_logs(output))
    events = EventAccumulator(str(output / "logs"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, 17))
    rates = [event.value for event in events.Scalars("train/learning_rate")]
    assert rates == sorted(rates, reverse=True)
    assert [event.step for event in events.Scalars("dev/macro_f1")] == [8, 16]
    assert events.Scalars("dev/macro_f1")[-1].value == pytest.approx(result["history"][-1]["macro_f1"])


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Make the import of `package` fail, as where it is not installed."""
    real = builtins.__import__

    def deny(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest)

    for name in [n for n in sys.modules if n.split(".")[0] == package or n.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", deny)
    monkeypatch.setitem(sys.modules, package, None)


def test_training_goes_without_tensorboard_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    without(monkeypatch, "tensorboard")
    with caplog.at_level(logging.WARNING):
        assert open_logs(tmp_path) == []
    assert "pip install tensorboard" in caplog.text


def test_weights_and_biases_that_is_asked_for_and_missing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InvalidInput, match="pip install wandb, or leave out --wandb"):
        open_logs(tmp_path, "project")


def test_weights_and_biases_gets_the_figures_of_one_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[str, Any]] = []

    class FakeRun:
        def log(self, figures: dict[str, float], step: int) -> None:
            calls.append(("log", (step, figures)))

        def finish(self) -> None:
            calls.append(("finish", None))

    def init(**options: Any) -> FakeRun:
        calls.append(("init", options))
        return FakeRun()

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    for step in (0, 7):
        place = WandbLog("news", tmp_path / "a")
        place.begin(step, {"epochs": 2})
        place.write(step + 1, {"train/loss": 0.5})
        place.end()
    starts = [options for name, options in calls if name == "init"]
    assert [(start["project"], start["resume"]) for start in starts] == [("news", "never"), ("news", "allow")]
    assert starts[0]["id"] == starts[1]["id"] != WandbLog("news", tmp_path / "b")._run_id
    assert ("log", (8, {"train/loss": 0.5})) in calls
    assert calls[-1] == ("finish", None)
