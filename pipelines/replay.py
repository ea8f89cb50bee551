"""Replay a past period under other thresholds: the alerts and mails that would have been. Nothing is stored.

    python -m pipelines.replay --from 2026-03-01 --to 2026-04-01 --rules rules.toml
    python -m pipelines.replay --from T --to T --articles FILE [--rules FILE] [--marked FILE]

Articles come from the application's database (--data-dir or BELLWETHER_DATA_DIR, with the subscriptions and the
silences of the time), or from a file as pipelines.detect_spikes reads it, told to BELLWETHER_ALERT_RECIPIENTS. The
five weeks before --from are the past from which the detector learns. The rules, JSON or TOML, hold some of the
fields of domain.spikes.SpikeRule and domain.alerts.AlertPolicy, in tables or not; the others are as configured:

    max_p_value = 1e-5
    group_wait_minutes = 5

Marked events are JSONL: topic or entity, and at. Prints a JSON line for each alert, and one with the summary.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from app.bootstrap_delivery import build_subscriptions
from app.bootstrap_detection import alert_policy, build_replay, spike_rule
from app.config import Settings, load_settings
from app.domain.errors import InvalidInput
from app.domain.replay import Mark, ReplayedAlert, replay, summary
from app.domain.rules import with_changes
from app.domain.spikes import ENTITY
from app.services.alerting import HISTORY
from app.services.replay import ReplayReport
from app.storage.database import open_existing
from pipelines import command_line
from pipelines.detect_spikes import read_mentions, time_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="begin", required=True, metavar="TIME", help="such as 2026-03-01T06:00Z")
    parser.add_argument("--to", dest="end", required=True, metavar="TIME")
    parser.add_argument("--rules", metavar="FILE", help="JSON or TOML with thresholds (default: those configured)")
    parser.add_argument("--marked", metavar="FILE", help="JSONL of events that deserved an alert")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data-dir", metavar="DIR", help="the application's data (default: as configured)")
    where.add_argument("--articles", metavar="FILE", help="JSONL or CSV instead of the database")
    options = parser.parse_args()
    begin, end = time_of("--from", options.begin), time_of("--to", options.end)
    if end <= begin:
        raise InvalidInput("--to must lie after --from.")
    settings = load_settings(promoted=False, data_dir=options.data_dir)
    changes = read_rules(Path(options.rules)) if options.rules else {}
    marks = read_marks(options.marked) if options.marked else []
    if options.articles:
        report = replay_file(settings, options.articles, begin, end, changes, marks)
    else:
        report = replay_database(settings, begin, end, changes, marks)
    for replayed in report.alerts:
        command_line.print_json(_line(replayed))
    command_line.print_json({"from": begin.isoformat(), "to": end.isoformat(), **report.summary})


def replay_file(
    settings: Settings, path: str, begin: datetime, end: datetime, changes: Mapping[str, Any], marks: list[Mark]
) -> ReplayReport:
    """Replay a file of articles."""
    rule, policy = with_changes(spike_rule(settings), alert_policy(settings), changes)
    mentions = [m for m in read_mentions(path) if begin - HISTORY <= m.published_at <= end]
    recipients = settings.alert_recipients
    found = replay(mentions, rule, policy, begin, end, lambda alert, kind: recipients)
    return ReplayReport(found, summary(found, [m for m in marks if begin <= m.at <= end]))


def replay_database(
    settings: Settings, begin: datetime, end: datetime, changes: Mapping[str, Any], marks: list[Mark]
) -> ReplayReport:
    """Replay what is stored. Raises InvalidInput where nothing is."""
    database = open_existing(settings.effective_database_url, "Give --data-dir or --articles.")
    try:
        subscriptions = build_subscriptions(settings, database, lambda: end)
        return build_replay(settings, database, subscriptions).run(begin, end, changes, marks)
    finally:
        database.close()


def read_rules(path: Path) -> dict[str, Any]:
    """Thresholds by name. Raises InvalidInput for a file that is neither JSON nor TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The rules {path} cannot be read: {error}.") from error
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise InvalidInput(f"The rules {path} are neither JSON nor TOML: {error}.") from error
    flat: dict[str, Any] = {}
    for name, value in found.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat


def read_marks(path: str) -> list[Mark]:
    """Marked events of a JSONL file. Raises InvalidInput."""
    marks = []
    for place, line in command_line.read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            topic, entity, at = str(row.get("topic") or ""), str(row.get("entity") or ""), row["at"]
        except (ValueError, AttributeError, KeyError) as error:
            raise InvalidInput(f"{place}: not an event; it needs topic or entity, and at.") from error
        if bool(topic) == bool(entity):
            raise InvalidInput(f"{place}: an event has either a topic or an entity.")
        marks.append(Mark(f"{ENTITY}{entity}" if entity else topic, time_of(place, at)))
    return marks


def _line(replayed: ReplayedAlert) -> dict[str, Any]:
    alert = replayed.alert
    return {
        **({"entity": alert.entity} if alert.entity else {"topic": alert.topic}),
        "started_at": alert.started_at.isoformat(),
        "detected_at": alert.detected_at.isoformat(),
        "known_at": replayed.known_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
        "severity": alert.severity,
        "negatives": alert.negatives,
        "stories": alert.stories,
        "expected": round(alert.expected, 3),
        "p_value": alert.p_value,
        "window_hours": alert.window_hours,
        "article_ids": list(alert.article_ids),
        "mails": [
            {"at": m.at.isoformat(), "kind": str(m.kind), "to": list(m.recipients)} for m in replayed.messages
        ],
    }


if __name__ == "__main__":
    command_line.run(main)
    sys.stdout.flush()
