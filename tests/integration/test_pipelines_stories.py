"""The commands about stories and the watchlist, as they are typed, on the tiny backbone."""

import json
import runpy
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.news import Article
from app.storage.articles import Articles
from app.storage.database import open_database

Command = Callable[..., tuple[int, list[dict[str, Any]], str]]
NOW = datetime.now(UTC)


@pytest.fixture
def command(tiny_environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(name: str, *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        code = 0
        try:
            runpy.run_module(f"pipelines.{name}", run_name="__main__")
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def test_measure_stories_prints_precision_and_recall_of_every_zone(command: Command, tmp_path: Path) -> None:
    rows = [
        {"story": "01", "language": "en", "title": "Recall of 212,000 cars", "text": "It costs 140 million euros."},
        {"story": "01", "language": "zh", "title": "召回21.2万辆轿车", "text": "费用1.4亿欧元。"},
        {"story": "01-1", "language": "en", "title": "Recall of 58,000 vans", "text": "It costs 35 million euros."},
        {"story": "02", "language": "en", "title": "Profit halves", "text": "Energy is dear."},
    ]
    path = tmp_path / "stories.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    code, printed, _ = command("measure_stories", "--data", path, "--embedder", "backbone:")
    assert code == 0
    assert {row.get("figures") for row in printed} == {None, "many", "one", "open", "conflict"}
    many = [row for row in printed if row.get("figures") == "many"]
    assert {(row["pairs"], row["same_story"]) for row in many} == {(1, 1)}
    rule = {row["pairs_of"]: row for row in printed if "rule" in row}
    assert set(rule) == {"all", "odd_groups", "even_groups", "across_languages", "hard"}
    assert (rule["all"]["pairs"], rule["all"]["same_story"], rule["hard"]["pairs"]) == (6, 1, 3)
    cosines = [row for row in printed if set(row) >= {"cosine"} and "figures" not in row]
    assert [row["joined"] for row in cosines] == sorted((row["joined"] for row in cosines), reverse=True)


def test_measure_stories_refuses_what_is_no_set(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "stories.jsonl"
    path.write_text('{"story": "01", "title": "No text"}', "utf-8")
    code, _, errors = command("measure_stories", "--data", path)
    assert code == 2
    assert "line 1" in errors


def test_watchlist_is_imported_listed_and_looked_for_in_stored_articles(
    command: Command, tiny_environment: Path, tmp_path: Path
) -> None:
    database = open_database(f"sqlite:///{tiny_environment / 'bellwether.db'}")
    articles = Articles(database)
    for number, text in enumerate(["Ostra files for insolvency.", "All is calm."]):
        item = Article(f"https://a.example/{number}", f"Title {number}", text, NOW, "en", f"{number:064x}")
        articles.add(item, NOW)
    path = tmp_path / "list.csv"
    path.write_text("company,name,kind\nOstra Furniture,Ostra,alias\nVelmora Motors,,\n", "utf-8")
    code, printed, _ = command("watchlist", "--import", path)
    assert (code, printed) == (0, [{"companies": 2, "changed": 2, "articles_tagged": 1}])
    assert [[e.name for e in a.entities] for a in articles.recent()] == [[], ["Ostra Furniture"]]
    database.close()
    code, printed, _ = command("watchlist", "--list")
    assert [(row["name"], [name["text"] for name in row["names"]]) for row in printed] == [
        ("Ostra Furniture", ["Ostra"]),
        ("Velmora Motors", []),
    ]
    assert command("watchlist", "--import", path)[1] == [{"companies": 2, "changed": 0, "articles_tagged": 0}]


def test_watchlist_that_is_not_there_is_an_error_of_one_line(command: Command, tmp_path: Path) -> None:
    code, _, errors = command("watchlist", "--import", tmp_path / "none.csv")
    assert code == 2
    assert "There is no file" in errors
