"""The two commands that measure the detectors, on small inputs."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.domain.errors import InvalidInput
from pipelines import benchmark_spikes, simulate_news
from pipelines.nab_published import DETECTORS, published_scores

START = datetime(2014, 4, 1)  # noqa: DTZ001 - as in the benchmark's files


def nab_folder(path: Path) -> Path:
    """One file with a spike that is labelled, and one calm file."""
    labels = {}
    for name, spike in (("a/spike.csv", 700), ("b/calm.csv", None)):
        (path / "data" / name).parent.mkdir(parents=True)
        rows = [f"{START + timedelta(minutes=5 * i)},{10 + i % 7 + (90 if i == spike else 0)}" for i in range(1000)]
        (path / "data" / name).write_text("\n".join(["timestamp,value", *rows]))
        span = [str(START + timedelta(minutes=5 * i)) + ".000000" for i in (680, 720)]
        labels[name] = [span] if spike else []
    labels["c/absent.csv"] = []
    (path / "labels").mkdir()
    (path / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return path


def test_benchmark_finds_the_labelled_spike(tmp_path: Path, monkeypatch, capsys) -> None:
    report = benchmark_spikes.benchmark(nab_folder(tmp_path))
    assert set(report["files"]) == {"a/spike.csv", "b/calm.csv"}
    assert report["categories"]["ours"]["all"]["score"] > 80
    assert report["categories"]["ours"]["b"]["score"] is None
    assert benchmark_spikes.benchmark(tmp_path, threshold=1.5)["categories"]["ours"]["all"]["score"] == 0
    monkeypatch.setattr("sys.argv", ["benchmark_spikes", "--nab", str(tmp_path)])
    benchmark_spikes.main()
    text = capsys.readouterr().out
    assert "all 58 files" in text
    assert "leave-one-category-out" in text
    assert "a/spike.csv" in text


def test_benchmark_of_another_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"combined_windows\.json"):
        benchmark_spikes.benchmark(tmp_path)
    nab_folder(tmp_path)
    (tmp_path / "data" / "b" / "calm.csv").write_text("timestamp,value\n2014-04-01 00:00:00,many\n")
    with pytest.raises(InvalidInput, match=r"calm\.csv"):
        benchmark_spikes.benchmark(tmp_path)


def test_published_scores_name_every_detector() -> None:
    scores = published_scores()
    assert len(scores) == 24
    assert all(set(row) == set(DETECTORS) for row in scores.values())
    assert sum(
        row["CAD OSE"] for name, row in scores.items() if name.startswith("realAdExchange")
    ) == pytest.approx(5.894798, abs=1e-5)


def test_windowed_gaussian_moves_on_in_steps() -> None:
    values = [float(i % 3) for i in range(60)]
    scores = list(benchmark_spikes.windowed_gaussian([*values, 40.0, 40.0], size=30, step=10))
    assert scores[0] == 0.0
    assert scores[60] == scores[61] == 1.0
    assert max(scores[10:60]) < 0.95


def test_simulation_is_the_same_for_a_seed_and_finds_what_it_planted(monkeypatch, capsys) -> None:
    report = simulate_news.simulate(series=12, days=60, seed=3)
    assert {**report, "detector_seconds": 0} == {**simulate_news.simulate(12, 60, 3), "detector_seconds": 0}
    assert report["bursts"] > 10
    assert report["recall"] > 0.8
    assert report["false_alerts"] <= 3
    assert simulate_news.simulate(12, 60, 4)["articles"] != report["articles"]
    monkeypatch.setattr("sys.argv", ["simulate_news", "--series", "3", "--days", "30", "--json"])
    simulate_news.main()
    assert json.loads(capsys.readouterr().out)["series"] == 3


def test_comparison_counts_alerts_outside_bursts_as_false() -> None:
    start, hour = simulate_news.START, simulate_news.HOUR
    planted = [
        simulate_news.Burst("s", 100, 4, 4, "flat", 8, 1.0),
        simulate_news.Burst("s", 500, 4, 4, "flat", 8, 1.0),
    ]

    def alert(at: float) -> simulate_news.Spike:
        return simulate_news.Spike("s", start, start + at * hour, 3, 8, 1.0, 1e-6)

    report = simulate_news.compare([alert(20), alert(101), alert(150)], planted, series_years=2.0)
    assert (report["recall"], report["false_alerts"], report["false_alerts_a_series_year"]) == (0.5, 1, 0.5)
    assert report["median_delay_hours"] == 1.0


def test_benchmark_of_time_counts_what_it_did() -> None:
    report = simulate_news.benchmark(seed=1, series=20, days=5)
    assert report["hours"] == 120
    assert report["articles"] >= report["series_hours_with_articles"] > 0
