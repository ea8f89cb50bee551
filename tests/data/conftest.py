"""The data that ships, read once."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
Rows = dict[str, list[dict[str, Any]]]


def _json_lines(folder: Path) -> Rows:
    return {
        path.name: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


@pytest.fixture(scope="session")
def training() -> Rows:
    """Rows of data/training by file name."""
    return _json_lines(DATA / "training")


@pytest.fixture(scope="session")
def evaluation() -> Rows:
    """Rows of data/evaluation by file name."""
    return _json_lines(DATA / "evaluation")


@pytest.fixture(scope="session")
def knowledge() -> Rows:
    """Rows of the curated tables by their path in data/knowledge."""
    tables = {}
    for path in sorted((DATA / "knowledge").rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            tables[path.relative_to(DATA / "knowledge").as_posix()] = list(csv.DictReader(stream))
    return tables


@pytest.fixture(scope="session")
def sources(knowledge: Rows) -> set[str]:
    """Everything that may be cited: rows of tables, and whole documents."""
    rows = {f"{name}#{i}" for name, table in knowledge.items() for i in range(len(table))}
    folder = DATA / "knowledge"
    return rows | {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
