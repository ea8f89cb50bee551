"""The options of the commands that train, measure and calibrate the classifier, on the tiny backbone."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.ml.backbone import METADATA
from tests.integration.test_pipelines_ml import LABELLED, Outcome, command, written

__all__ = ["command"]  # the fixture
COLLIDING = "topic,title\nother,\nothers,\nregulation,\nearnings,\n"


@pytest.fixture
def train(command: Callable[..., Outcome], tmp_path: Path) -> Callable[..., Outcome]:
    """Runs train_sentiment on the labelled rows into a folder."""

    def run(output: str, *more: object) -> Outcome:
        data = written(tmp_path, "rows.csv", LABELLED)
        arguments = ["--dev", data, "--epochs", 1, "--batch-size", 8]
        rows = written(tmp_path, "train.csv", LABELLED.replace("week", "the long and eventful month before last"))
        return command("train_sentiment", "--train", rows, "--output", tmp_path / output, *arguments, *more)

    return run


def metadata_in(folder: Path) -> dict:
    return json.loads((folder / METADATA).read_text("utf-8"))


def test_training_leaves_calibration_topics_logs_and_a_report(train: Callable, tmp_path: Path) -> None:
    outcome = train("a")
    assert outcome.code == 0
    metadata = metadata_in(tmp_path / "a")
    calibration = metadata["calibration"]
    assert set(calibration["sentiment"]) == {"", "en", "zh"}
    assert len(set(calibration["sentiment"].values())) == 1  # 24 rows are too few for a language of its own
    assert calibration["topic"] > 0
    assert metadata["topics"]["cyber"] == "Cyber and outage"
    assert [entry["epoch"] for entry in metadata["history"]] == [0.667, 1]
    report = json.loads((tmp_path / "a" / "report.json").read_text("utf-8"))
    assert report["n"] == 24
    assert report["calibration"]["temperatures"] == calibration
    assert [point["step"] for point in report["curve"]] == [1, 2, 3]
    assert "<svg" in (tmp_path / "a" / "report.html").read_text("utf-8")
    assert list((tmp_path / "a" / "logs").glob("events.out.tfevents.*"))


@pytest.mark.parametrize("method", ["dora", "adalora", "prefix", "full"])
def test_every_method_is_trained_and_evaluated_by_the_same_commands(
    command: Callable[..., Outcome], train: Callable, tmp_path: Path, method: str
) -> None:
    trained = train("a", "--method", method, "--rank", 4)
    assert trained.code == 0
    assert metadata_in(tmp_path / "a")["config"]["method"] == method
    evaluated = command(
        "evaluate_sentiment", "--adapter", tmp_path / "a", "--data", tmp_path / "rows.csv", "--json"
    )
    assert evaluated.rows[0]["accuracy"] == pytest.approx(trained.rows[0]["accuracy"], abs=0.1)
    assert evaluated.rows[0]["expected_calibration_error"] >= 0


def test_evaluate_accepts_several_topics_and_writes_a_page(
    command: Callable[..., Outcome], train: Callable, tmp_path: Path
) -> None:
    train("a")
    rows = [
        {"text": "The bank was fined.", "label": "negative", "topic": "regulation|credit", "style": "report"},
        {
            "text": "A sues B.",
            "label": "negative",
            "entity": "B",
            "topic": "|".join(metadata_in(tmp_path / "a")["topics"]),
        },
    ]
    data = written(tmp_path, "rows.jsonl", "\n".join(map(json.dumps, rows)))
    page = tmp_path / "page.html"
    arguments = ["--adapter", tmp_path / "a", "--data", data, "--json", "--report", page]
    (result,) = command("evaluate_sentiment", *arguments).rows
    assert {"n", "accuracy", "macro_f1", "per_class", "texts_per_second", "expected_calibration_error"} < set(
        result
    )
    assert result["topic"]["accuracy"] >= 0.5  # the second row is right whatever is given
    assert (
        "A sues B." in page.read_text("utf-8") or "The bank" in page.read_text("utf-8") or result["accuracy"] == 1
    )


def test_calibrate_sentiment_rewrites_the_temperatures_only(
    command: Callable[..., Outcome], train: Callable, tmp_path: Path
) -> None:
    train("a")
    before = metadata_in(tmp_path / "a")
    rows = "".join(
        f"Customers saw change {i}.,{label},cyber\n" for i in range(40) for label in ("negative", "positive")
    )
    data = written(tmp_path, "held.csv", "text,label,topic\n" + rows)
    (result,) = command("calibrate_sentiment", "--adapter", tmp_path / "a", "--data", data).rows
    after = metadata_in(tmp_path / "a")
    assert after.pop("calibration") == result["calibration"] != before.pop("calibration")
    assert after == before
    errors = result["expected_calibration_error"]
    assert errors["after"] <= errors["before"]
    again = command("evaluate_sentiment", "--adapter", tmp_path / "a", "--data", data, "--json").rows[0]
    assert again["expected_calibration_error"] == pytest.approx(errors["after"], abs=1e-3)


def test_topics_of_a_file_take_the_place_of_those_that_ship(
    command: Callable[..., Outcome], train: Callable, tmp_path: Path
) -> None:
    topics = {"regulation": "Rules", "earnings": "Profit", "other": "Rest", "weather": "Weather"}
    assert train("a", "--topics", written(tmp_path, "topics.json", json.dumps(topics))).code == 0
    assert metadata_in(tmp_path / "a")["topics"] == topics
    assert list(metadata_in(tmp_path / "a")["topic_map"]) == list(topics)
    data = written(tmp_path, "new.csv", "text,label,topic\nRain fell.,negative,weather\n")
    assert (
        command("evaluate_sentiment", "--adapter", tmp_path / "a", "--data", data, "--json").rows[0]["topic"]["n"]
        == 1
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--topics", "topics.csv"), "begin with the same token; rename one"),
        (("--topics", "few.csv"), "topic 'regulation' is not one of cyber, other"),
        (("--patience", 1, "--dev", "--dev-fraction", 0), "--patience needs rows to watch"),
        (("--start-from", "nowhere"), "cannot go on from nowhere: it holds no adapter"),
        (("--start-from", "nowhere", "--method", "dora"), "Only LoRA goes on"),
        (("--learning-rate", 0), "must be a number above 0"),
    ],
)
def test_training_ends_with_one_clear_line_for_options_that_cannot_be(
    train: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "topics.csv", COLLIDING)
    written(tmp_path, "few.csv", "topic,title\ncyber,\nother,\n")
    outcome = train("a", *options)
    assert outcome.code == 2
    assert len(outcome.errors) == 1
    assert message in outcome.errors[0]


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ("nothing", ("--rank", 16), "Starting from the adapter in"),
        ("nothing", ("--start-from", "none"), "Starting fresh."),
        ("nothing", ("--rank", 8), "its rank is 16 and its alpha 32, not 8 and 16"),
        ("nothing", ("--method", "prefix"), "Starting fresh. (Only LoRA goes on"),
        ("backbone", (), "Starting fresh. (Training cannot go on from"),
        ("no folder", (), "it holds no adapter"),
    ],
)
def test_training_goes_on_from_the_adapter_of_the_settings_if_it_fits(
    train: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    change: str, options: tuple, said: str,
) -> None:  # fmt: skip
    shipped = tmp_path / "shipped"
    assert train("shipped").code == 0
    if change == "backbone":
        metadata = metadata_in(shipped) | {"backbone_revision": "another"}
        (shipped / METADATA).write_text(json.dumps(metadata), "utf-8")
    elif change == "no folder":
        shutil.rmtree(shipped)
    monkeypatch.setenv("BELLWETHER_SENTIMENT_ADAPTER", str(shipped))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert train("a", *options).code == 0
    assert said in caplog.text
    started_from = metadata_in(tmp_path / "a")["started_from"]
    assert started_from == (str(shipped) if said.startswith("Starting from") else "")
