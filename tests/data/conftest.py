"""The data that ships, read once."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from app.ml.companies import CompanyEntry, load_companies

DATA = Path(__file__).resolve().parents[2] / "data"
BANK, FERRY = DATA / "knowledge", DATA / "evaluation" / "ferry"
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
    """Rows of data/evaluation by file name, and those of the ferry company."""
    ferry = {f"ferry/{name}": rows for name, rows in _json_lines(FERRY).items()}
    return _json_lines(DATA / "evaluation") | ferry


@pytest.fixture(scope="session")
def companies() -> list[CompanyEntry]:
    """The entries of the invented companies of data/training."""
    return load_companies(sorted((DATA / "training" / "companies").glob("*.jsonl")))


def _tables(folder: Path) -> Rows:
    """Rows of the curated tables by their path in a knowledge folder."""
    tables = {}
    for path in sorted(folder.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            tables[path.relative_to(folder).as_posix()] = list(csv.DictReader(stream))
    return tables


@pytest.fixture(scope="session")
def knowledge() -> Rows:
    """Rows of the bank's curated tables."""
    return _tables(BANK)


@pytest.fixture(scope="session")
def ferry() -> Rows:
    """Rows of the curated tables of the company that training never saw."""
    return _tables(FERRY / "knowledge")


@pytest.fixture(scope="session")
def sources(knowledge: Rows) -> set[str]:
    """Everything of the bank that may be cited: rows of tables, and whole documents."""
    rows = {f"{name}#{i}" for name, table in knowledge.items() for i in range(len(table))}
    return rows | {path.relative_to(BANK).as_posix() for path in BANK.rglob("*") if path.is_file()}
