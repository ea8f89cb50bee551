"""The command that detects spikes in files, run as a person runs it."""

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 3, 2)  # noqa: DTZ001 - naive on purpose: the command takes it as UTC


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pipelines.detect_spikes", *arguments]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, timeout=60, check=False)


def articles() -> list[dict[str, str]]:
    rows = [
        {
            "published_at": (START + timedelta(hours=3 * i)).isoformat(),
            "topic": ("credit", "cyber", "labour")[i % 3],
            "sentiment": ("negative", "neutral", "positive", "neutral")[i % 4],
        }
        for i in range(80)
    ]
    burst = START + timedelta(days=9)
    return rows + [
        {
            "published_at": f"{(burst + timedelta(minutes=9 * i)).isoformat()}Z",
            "topic": "cyber",
            "sentiment": "negative",
        }
        for i in range(12)
    ]


def as_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def test_articles_give_one_line_for_each_alert_whatever_the_format(tmp_path: Path) -> None:
    (tmp_path / "articles.csv").write_bytes(as_csv(articles()))
    from_csv = run("--articles", str(tmp_path / "articles.csv"))
    from_json = run("--articles", "-", stdin="\n".join(map(json.dumps, articles())).encode())
    assert (from_csv.returncode, from_csv.stderr) == (0, b"")
    assert from_csv.stdout == from_json.stdout
    (alert,) = map(json.loads, from_csv.stdout.splitlines())
    assert set(alert) == {"topic", "started_at", "detected_at", "severity", "negatives", "expected"}
    assert alert["topic"] == "cyber"
    begun = (START + timedelta(days=9)).replace(tzinfo=UTC)
    assert begun < datetime.fromisoformat(alert["detected_at"]) < begun + timedelta(hours=2)


def test_series_gives_a_score_a_row_that_depends_on_no_later_row() -> None:
    rows = [
        {"timestamp": str(START + timedelta(minutes=5 * i)), "value": str(10 + i % 5 + 90 * (i == 300))}
        for i in range(400)
    ]
    whole, part = run("--series", "-", stdin=as_csv(rows)), run("--series", "-", stdin=as_csv(rows[:310]))
    assert whole.stdout.startswith(part.stdout)
    scored = list(csv.DictReader(io.StringIO(whole.stdout.decode())))
    assert [{k: row[k] for k in ("timestamp", "value")} for row in scored] == rows
    assert all(0 <= float(row["anomaly_score"]) <= 1 for row in scored)
    assert float(scored[300]["anomaly_score"]) > 0.9


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--articles", b"", ["empty"]),
        ("--articles", b"\n\n", ["empty"]),
        ("--articles", b"\xff\xfe\x00", ["UTF-8"]),
        ("--articles", b'{"topic": 1', ["line 1", "JSON"]),
        ("--articles", b'{"topic": "cyber"}', ["line 1", "published_at, sentiment missing"]),
        ("--articles", b"published_at,topic\n", ["line 1", "sentiment missing"]),
        ("--articles", b"published_at,topic,sentiment\nyesterday,cyber,negative", ["line 2", "'yesterday'"]),
        ("--articles", b"published_at,topic,sentiment\n2026-01-01,cyber,bad", ["line 2", "'bad'", "neutral"]),
        ("--articles", b"published_at,topic,sentiment\n2026-01-01,,neutral", ["line 2", "topic is empty"]),
        ("--articles", b"published_at,topic,sentiment\n2026-01-01,cyber", ["line 2", "columns"]),
        ("--series", b"timestamp,value\n2026-01-01,1\n2026-01-02,one", ["line 3", "'one' is not a number"]),
        ("--series", b"timestamp,value\n2026-01-01,nan", ["line 2", "not finite"]),
        ("--series", b"time,value\n2026-01-01,1", ["line 1", "timestamp missing"]),
    ],
)
def test_bad_input_ends_with_one_clear_line(option: str, text: bytes, words: list[str]) -> None:
    result = run(option, "-", stdin=text)
    message = result.stderr.decode()
    assert result.returncode == 2
    assert message.count("\n") == 1
    assert message.startswith("detect_spikes: standard input")
    assert all(word in message for word in words)


def test_file_that_is_not_there_is_named() -> None:
    result = run("--articles", "/no/such/file.csv")
    assert result.returncode == 2
    assert b"/no/such/file.csv cannot be read" in result.stderr


def test_articles_may_name_companies_and_say_how_sure_and_how_often_told() -> None:
    rows = [{**row, "entity": "Copperline" if row["topic"] == "cyber" else ""} for row in articles()]
    found = run("--articles", "-", stdin=as_csv(rows))
    alerts = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(a.get("topic"), a.get("entity")) for a in alerts] == [("cyber", None), (None, "Copperline")]
    unsure = [{**row, "probability": "0.3"} for row in articles()]
    assert run("--articles", "-", stdin=as_csv(unsure)).stdout == b""
    late = [{**row, "seen_at": "2026-04-01T00:00:00Z"} for row in articles()]
    assert run("--articles", "-", stdin=as_csv(late)).stdout == b""


@pytest.mark.parametrize("fault", [{"probability": "2"}, {"copies": "0"}, {"copies": "many"}, {"seen_at": "later"}])
def test_fields_that_make_no_sense_are_refused(fault: dict[str, str]) -> None:
    result = run("--articles", "-", stdin=as_csv([{**articles()[0], **fault}]))
    assert result.returncode == 2
    assert b"line 2" in result.stderr
