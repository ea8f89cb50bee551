"""The replay of a past period, run as a person runs it, and on a database that it must leave as it is."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.alerts import AlertPolicy
from app.domain.errors import InvalidInput
from app.domain.replay import Mark
from app.domain.silences import Silence
from app.domain.spikes import SpikeRule
from app.services.replay import Replay
from app.storage.database import Database, open_database
from app.storage.tables import Base
from tests.fakes import ManualClock
from tests.monitoring import RECIPIENTS, Monitoring, burst_items, calm_items

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 3, 2, tzinfo=UTC)
BURST = START + timedelta(days=9)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 20, 14, tzinfo=UTC)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.replay", *arguments]
    environ = {**os.environ, "BELLWETHER_ALERT_RECIPIENTS": "desk@bank.example", **environment}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def articles(tmp_path: Path) -> str:
    """Nine calm days, and then bad news on cyber and on a company."""
    rows: list[dict[str, Any]] = [
        {
            "published_at": (START + 3 * i * HOUR).isoformat(),
            "topic": ("credit", "cyber", "labour")[i % 3],
            "sentiment": ("negative", "neutral", "positive", "neutral")[i % 4],
        }
        for i in range(80)
    ]
    rows += [
        {
            "published_at": (BURST + 0.15 * i * HOUR).isoformat(),
            "topic": "cyber",
            "sentiment": "negative",
            "entity": ["Copperline"],
        }
        for i in range(12)
    ]
    path = tmp_path / "articles.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


PERIOD = ("--from", "2026-03-08", "--to", "2026-03-20")


def test_file_of_articles_is_replayed_with_marks(articles: str, tmp_path: Path) -> None:
    marked = tmp_path / "marked.jsonl"
    marked.write_text(
        '{"topic": "cyber", "at": "2026-03-11T00:00Z"}\n\n{"entity": "Tin & Sons", "at": "2026-03-11T00:00Z"}\n'
    )
    result = run(*PERIOD, "--articles", articles, "--marked", str(marked))
    assert (result.returncode, result.stderr) == (0, "")
    *alerts, summary = map(json.loads, result.stdout.splitlines())
    assert [a.get("topic") or a["entity"] for a in alerts] == ["cyber", "Copperline"]
    assert all(BURST < datetime.fromisoformat(a["detected_at"]) < BURST + 2 * HOUR for a in alerts)
    assert all(a["negatives"] >= a["stories"] >= 12 and a["ended_at"] for a in alerts)
    assert alerts[0]["mails"][0] == {"at": alerts[0]["known_at"], "kind": "alert", "to": ["desk@bank.example"]}
    assert summary["alerts"] == 2
    assert summary["mails"] == sum(len(m["to"]) for a in alerts for m in a["mails"])
    assert (summary["recall"], summary["precision"]) == (0.5, 0.5)
    assert 0 < summary["median_delay_hours"] < 2


@pytest.mark.parametrize(
    "rules",
    ['{"min_negatives": 50}', "min_negatives = 50", "[rule]\nmin_negatives = 50\n[policy]\ngroup_wait_minutes = 5"],
)
def test_rules_are_json_or_toml(articles: str, tmp_path: Path, rules: str) -> None:
    path = tmp_path / "rules"
    path.write_text(rules)
    result = run(*PERIOD, "--articles", articles, "--rules", str(path))
    assert result.returncode == 0, result.stderr
    (summary,) = map(json.loads, result.stdout.splitlines())
    assert summary["alerts"] == summary["mails"] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "2026-03-20", "--to", "2026-03-08"), "--to must lie after --from"),
        (("--from", "soon", "--to", "2026-03-08"), "'soon' is not a time"),
        ((*PERIOD, "--rules", "none.toml"), "cannot be read"),
        ((*PERIOD, "--articles", "none.jsonl"), "cannot be read"),
        ((*PERIOD, "--data-dir", "nowhere"), "There is no database"),
    ],
)
def test_what_cannot_be_replayed_is_told_in_a_line(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    arguments = tuple(str(tmp_path / a) if a in {"none.toml", "none.jsonl", "nowhere"} else a for a in arguments)
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("rules", ["min_negative = 5", "max_p_value = 2", "= 5", "windows = []"])
def test_rules_that_make_no_sense_are_refused(articles: str, tmp_path: Path, rules: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules)
    result = run(*PERIOD, "--articles", articles, "--rules", str(path))
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")


def dump(database: Database) -> dict[str, list[Any]]:
    with database.engine.connect() as connection:
        return {t.name: [tuple(r) for r in connection.execute(t.select())] for t in Base.metadata.sorted_tables}


@pytest.fixture
def parts(database: Database) -> Monitoring:
    clock = ManualClock(NOW)
    parts = Monitoring(database, clock)
    parts.ingestion.store(calm_items(NOW) + burst_items(NOW), None)
    return parts


def replayer(parts: Monitoring) -> Replay:
    return Replay(parts.articles, parts.silences, parts.subscriptions.recipients, SpikeRule(), AlertPolicy())


def test_replay_finds_what_detection_finds_and_stores_nothing(parts: Monitoring, database: Database) -> None:
    before = dump(database)
    report = replayer(parts).run(
        NOW - 24 * HOUR, NOW, marks=[Mark("cyber", NOW - 2 * HOUR), Mark("cyber", NOW + HOUR)]
    )
    assert dump(database) == before
    (found,) = report.alerts
    (alert,) = parts.alerting.detect()
    assert (found.alert.detected_at, found.alert.article_ids) == (alert.detected_at, alert.article_ids)
    assert (found.alert.severity, found.alert.expected) == (alert.severity, alert.expected)
    assert found.known_at == NOW, "when its articles were stored"
    assert report.summary["mails_by_recipient"] == dict.fromkeys(RECIPIENTS, 1)
    assert (report.summary["recall"], report.summary["marked"]) == (1.0, 1), "marks beyond the period do not count"


def test_replay_takes_other_thresholds_and_the_silences_of_the_time(parts: Monitoring) -> None:
    assert replayer(parts).run(NOW - 24 * HOUR, NOW, {"min_negatives": 30}).alerts == []
    parts.silences.create(Silence(NOW, NOW + 9 * HOUR, "mei", topic="cyber"), NOW)
    report = replayer(parts).run(NOW - 24 * HOUR, NOW + HOUR)
    assert [r.messages for r in report.alerts] == [()]
    with pytest.raises(InvalidInput, match="ends before"):
        replayer(parts).run(NOW, NOW - HOUR)
    with pytest.raises(InvalidInput, match="min_ratio"):
        replayer(parts).run(NOW - HOUR, NOW, {"min_ratio": "much"})


def test_command_replays_the_application_s_database(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'bellwether.db'}")
    parts = Monitoring(database, ManualClock(NOW))
    parts.ingestion.store(calm_items(NOW) + burst_items(NOW), None)
    before = dump(database)
    database.close()
    period = ("--from", (NOW - 24 * HOUR).isoformat(), "--to", NOW.isoformat())
    result = run(*period, "--data-dir", str(tmp_path))
    assert result.returncode == 0, result.stderr
    alert, summary = map(json.loads, result.stdout.splitlines())
    assert (alert["topic"], summary["mails_by_recipient"]) == ("cyber", {"desk@bank.example": 1})
    database = open_database(f"sqlite:///{tmp_path / 'bellwether.db'}")
    assert dump(database) == before
    database.close()
