"""The benchmark in small: invented news, repeatable, through the real way in."""

import json
from pathlib import Path

import pytest

from app.config import load_settings
from pipelines import benchmark_ingest
from pipelines.benchmark_ingest import COMPANIES, UNTIL
from pipelines.synthetic_news import companies, days


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> list[dict[str, object]]:
    monkeypatch.setattr("sys.argv", ["benchmark_ingest", "--articles", "90", "--days", "3", *options])
    benchmark_ingest.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_benchmark_imports_and_times_the_queries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    counts, *times = run(monkeypatch, capsys, "--no-model", "--keep", str(tmp_path))
    assert counts["articles"] == 90
    assert 0 < int(str(counts["repeated"])) < 30
    assert counts["classifier"] == "keywords (--no-model)"
    assert {"articles_s", "cpu_seconds", "peak_rss_mb", "database_mb"} <= counts.keys()
    names = {str(row["query"]).partition(",")[0] for row in times[:-1]}
    assert {"trend", "recent", "topic_counts", "mentions", "search", "alerts"} <= names
    assert times[-1].keys() == {"goal_ms", "slower_at_p95"}
    again = run(monkeypatch, capsys, "--no-model", "--keep", str(tmp_path))
    assert "query" in again[0], "what is there is not imported again"


def test_benchmark_reports_the_rate_of_the_model_on_a_sample(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_environment: Path
) -> None:
    assert load_settings().sentiment_adapter is None
    counts = run(monkeypatch, capsys, "--model-sample", "20")[0]
    assert "keywords for the others" in str(counts["classifier"])
    assert float(str(counts["model_articles_s"])) > 0


def test_invented_news_is_the_same_for_a_seed_and_holds_copies() -> None:
    listed = companies(COMPANIES)
    first, again, other = (
        [item for day in days(500, UNTIL, 5, listed, seed) for item in day] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert len({item.url for item in first}) == len(first) == 500
    assert 25 <= sum("copy.example" in item.url for item in first) <= 75
    assert {len(day) for day in days(500, UNTIL, 5, listed)} == {100}
    assert all(item.published_at and item.published_at < UNTIL for item in first)
