import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from app.ml.calibration import Calibration
from app.ml.datasets import LabelledText
from app.ml.sentiment_report import measure, save_json, save_page, summary
from app.ml.sentiment_scores import Scored

TOPICS = ("earnings", "cyber", "other")
ROWS = [
    LabelledText("Profit rose.", "positive", "earnings", "report"),
    LabelledText("Profit <b>fell</b> & how.", "negative", "earnings|cyber", "headline"),
    LabelledText("利润下降。", "negative", "cyber"),
    LabelledText("Nothing to judge.", "", "other"),
    LabelledText("A loss. " * 60, "negative", ""),
]
# sure and right, very sure and wrong, right, not judged, unsure and wrong
SCORED = Scored(
    torch.tensor([[0, 0, 4.0], [0, 0, 6.0], [3.0, 0, 0], [9.0, 0, 0], [0.0, 0.5, 0]]),
    torch.tensor([[5.0, 0, 0], [0, 5.0, 0], [5.0, 0, 0], [0, 0, 5.0], [5.0, 0, 0]]),
)
CALIBRATION = Calibration({"": 3.0, "zh": 1.0}, 1.0)


def test_measure_counts_by_hand() -> None:
    report = measure(ROWS, SCORED, CALIBRATION, TOPICS)
    assert (report["n"], report["accuracy"]) == (4, 0.5)
    assert report["confusion"]["counts"] == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert {name: part["n"] for name, part in report["slices"]["language"].items()} == {"en": 3, "zh": 1}
    assert report["slices"]["language"]["zh"]["accuracy"] == 1.0
    assert set(report["slices"]["style"]) == {"report", "headline", "not given"}
    assert report["slices"]["length"]["over 400"]["n"] == 1
    # of four topics one is wrong; "earnings|cyber" is right with either
    assert (report["topic"]["n"], report["topic"]["accuracy"]) == (4, 0.75)
    assert report["topic"]["per_class"]["cyber"]["recall"] == 0.5


def test_measure_puts_the_surest_errors_first_with_calibrated_probabilities() -> None:
    worst = measure(ROWS, SCORED, CALIBRATION, TOPICS)["worst"]
    assert [error["text"] for error in worst] == [ROWS[1].text, ROWS[4].text]
    assert worst[0]["probability"] == pytest.approx(float(torch.softmax(SCORED.sentiment[1] / 3, 0)[2]))
    assert (worst[0]["label"], worst[0]["predicted"]) == ("negative", "positive")


def test_measure_compares_calibration_before_and_after() -> None:
    report = measure(ROWS, SCORED, CALIBRATION, TOPICS)
    before, after = report["calibration"]["before"], report["calibration"]["after"]
    assert before == measure(ROWS, SCORED, Calibration(), TOPICS)["calibration"]["after"]
    assert after["expected_calibration_error"] == report["expected_calibration_error"]
    assert after["expected_calibration_error"] != before["expected_calibration_error"]
    assert sum(part["n"] for part in after["bins"]) == 4


def test_summary_keeps_the_figures_that_commands_print() -> None:
    printed = summary(measure(ROWS, SCORED, CALIBRATION, TOPICS))
    assert list(printed) == [
        "n", "accuracy", "macro_f1", "per_class", "expected_calibration_error", "confusion", "topic"
    ]  # fmt: skip
    assert "topic" not in summary(
        measure(ROWS[4:], Scored(SCORED.sentiment[4:], SCORED.topic[4:]), CALIBRATION, TOPICS)
    )


class Page(HTMLParser):
    """Collects the tags and the visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_everything_and_needs_nothing_else(tmp_path: Path) -> None:
    curve = [{"step": 1, "loss": 3.0, "learning_rate": 1e-4}, {"step": 9, "loss": 1.5, "learning_rate": 0.0}]
    report = measure(ROWS, SCORED, CALIBRATION, TOPICS) | {"curve": curve, "about": {"method": "lora"}}
    save_page(report, tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    assert page.tags.count("svg") == 4  # two reliability diagrams, loss, learning rate
    assert not re.search(r"https?:|\bsrc=|\bhref=|url\(|@import|<script|<link", text)
    assert "prefers-color-scheme: dark" in text
    assert "Profit <b>fell</b> & how." in page.text
    assert "利润下降。" not in page.text  # it was right
    assert 'points="66.7,0.0 600.0,80.0"' in text
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("rows", [[], ROWS[3:4]])
def test_the_page_of_rows_without_a_sentiment_says_so(tmp_path: Path, rows: list[LabelledText]) -> None:
    scored = Scored(SCORED.sentiment[: len(rows)], SCORED.topic[: len(rows)])
    report = measure(rows, scored, CALIBRATION, TOPICS)
    save_page(report, tmp_path / "a.html")
    assert "No text had a sentiment" in (tmp_path / "a.html").read_text("utf-8")
    save_json(report, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == report
