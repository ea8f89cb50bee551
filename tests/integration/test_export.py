"""Tables as files: read back by other programs, complete or not there, and harmless to spreadsheets."""

import csv
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet
import pytest

from app.domain.errors import InvalidInput
from app.domain.exports import TABLES
from app.integrations.table_files import csv_file
from app.services.export import Export
from app.storage.articles import Articles
from app.storage.audit import record
from app.storage.database import Database, open_database
from app.storage.exports import ExportRows
from app.storage.tables import (
    AlertRow,
    ArticleEntityRow,
    ArticleRow,
    ArticleTopicRow,
    DeliveryRow,
    EntityRow,
    SourceRow,
)
from pipelines import export_data

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
READERS: dict[str, Callable[[Path], list[dict[str, object]]]] = {
    "csv": lambda path: list(csv.DictReader(path.open(encoding="utf-8", newline=""))),
    "json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    "parquet": lambda path: pyarrow.parquet.read_table(path).to_pylist(),
}


def export_of(database: Database, batch: int = 2) -> Export:
    return Export(Articles(database), ExportRows(database, batch))


def add_article(database: Database, number: int, at: datetime = NOW, **fields: object) -> None:
    values = {"title": f"title {number}", "sentiment": "negative", "topic": "cyber", **fields}
    with database.session() as session:
        session.add(
            ArticleRow(
                id=number, url=f"u{number}", text="t", language="en", published_at=at, stored_at=NOW,
                content_hash="h", **values,
            )
        )  # fmt: skip
        session.flush()
        session.add(ArticleTopicRow(article_id=number, topic="cyber"))


@pytest.mark.parametrize("format", READERS)
def test_articles_come_back_as_they_are(database: Database, tmp_path: Path, format: str) -> None:
    with database.session() as session:
        session.add(SourceRow(id=1, name="Courier", url="s"))
        session.add(EntityRow(id=1, name="Copperline"))
    add_article(database, 1, probability=0.75)
    add_article(database, 3, NOW + 2 * HOUR)
    add_article(database, 2, NOW + HOUR, title='标题 "二"\nline', deciding="one\ntwo", source_id=1, duplicate_of=1)
    with database.session() as session:
        session.add(ArticleTopicRow(article_id=2, topic="credit"))
        session.add(ArticleEntityRow(article_id=2, entity_id=1))
    file = tmp_path / "articles"
    assert export_of(database).write("articles", format, file) == 3
    one, two, _ = READERS[format](file)
    assert list(one) == [column.name for column in TABLES["articles"]]
    assert [str(row["id"]) for row in READERS[format](file)] == ["1", "2", "3"]
    assert (float(one["probability"]), one["source"]) == (0.75, "")  # type: ignore[arg-type]
    assert two["title"] == '标题 "二"\nline'
    assert (two["source"], str(two["duplicate_of"])) == ("Courier", "1")
    lists = (["credit", "cyber"], ["Copperline"], ["one", "two"])
    expected = lists if format != "csv" else ("credit | cyber", "Copperline", "one | two")
    assert (two["topics"], two["companies"], two["deciding"]) == expected
    at = {"csv": "2026-03-02T10:30:00+00:00", "json": "2026-03-02T10:30:00+00:00", "parquet": NOW + HOUR}[format]
    assert two["published_at"] == at


@pytest.mark.parametrize("format", READERS)
def test_table_without_rows_is_still_a_file(database: Database, tmp_path: Path, format: str) -> None:
    for what in TABLES:
        assert export_of(database).write(what, format, tmp_path / what) == 0
        assert READERS[format](tmp_path / what) == []


def test_span_begins_with_from_and_ends_before_to(database: Database, tmp_path: Path) -> None:
    for number in range(6):
        add_article(database, number, NOW + number // 2 * HOUR)
    export_of(database).write("articles", "json", tmp_path / "a", NOW + HOUR, NOW + 2 * HOUR)
    assert [row["id"] for row in READERS["json"](tmp_path / "a")] == [2, 3]
    with pytest.raises(InvalidInput, match="begin before it ends"):
        export_of(database).write("articles", "json", tmp_path / "a", NOW, NOW)


def test_trends_count_stories_of_all_of_topics_and_of_companies(database: Database, tmp_path: Path) -> None:
    add_article(database, 1)
    add_article(database, 2, NOW + 2 * HOUR, sentiment="positive")
    add_article(database, 3, NOW + 2 * HOUR, duplicate_of=2)
    with database.session() as session:
        session.add(EntityRow(id=1, name="Copperline"))
        session.flush()
        session.add(ArticleEntityRow(article_id=2, entity_id=1, sentiment="negative", probability=0.9))
    export_of(database).write("trends", "json", tmp_path / "t")
    found = [tuple(row.values()) for row in READERS["json"](tmp_path / "t")]
    first, third = "2026-03-02T09:00:00+00:00", "2026-03-02T11:00:00+00:00"
    assert found == [
        (first, "", "", 1, 0, 0),
        (third, "", "", 0, 0, 1),
        (first, "cyber", "", 1, 0, 0),
        (third, "cyber", "", 0, 0, 1),
        (third, "", "Copperline", 1, 0, 0),
    ]
    export_of(database).write("trends", "json", tmp_path / "t", NOW.replace(hour=0), bucket_hours=24)
    assert [row["positive"] for row in READERS["json"](tmp_path / "t")] == [1, 1, 0]


def test_alerts_tell_what_became_of_their_mails(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        for number in (1, 2, 3):
            session.add(
                AlertRow(
                    id=number, topic=f"t{number}", started_at=NOW, detected_at=NOW, severity="high", negatives=5,
                    expected=1.0, p_value=1e-6, window_hours=3, article_ids=[7, 8],
                )
            )  # fmt: skip
        session.flush()
        for number, state in enumerate(("sent", "sent", "refused")):
            session.add(
                DeliveryRow(alert_id=1, recipient="r", key=f"{number}", message_id=f"{number}", state=state)
            )
    export_of(database).write("alerts", "parquet", tmp_path / "a")
    rows = READERS["parquet"](tmp_path / "a")
    assert [(row["id"], row["sent"], row["pending"], row["refused"]) for row in rows] == [
        (1, 2, 0, 1), (2, 0, 0, 0), (3, 0, 0, 0),
    ]  # fmt: skip
    assert (rows[0]["article_ids"], rows[0]["ended_at"]) == ([7, 8], None)


def test_audit_is_exported_with_its_details(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        record(session, NOW, "wei", "acknowledge", "alert", 3, "seen", before="open")
    export_of(database).write("audit", "csv", tmp_path / "a")
    (row,) = READERS["csv"](tmp_path / "a")
    assert (row["actor"], row["subject_id"], row["comment"]) == ("wei", "3", "seen")
    assert json.loads(str(row["details"])) == {"before": "open"}


@pytest.mark.parametrize("title", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx"])
def test_text_in_csv_is_no_formula(database: Database, tmp_path: Path, title: str) -> None:
    add_article(database, 1, title=title, probability=-0.5)
    export_of(database).write("articles", "csv", tmp_path / "a")
    (row,) = READERS["csv"](tmp_path / "a")
    assert row["title"] == f"'{title}"
    assert row["probability"] == "-0.5", "numbers stay numbers"


def test_failed_export_leaves_the_earlier_file(database: Database, tmp_path: Path) -> None:
    add_article(database, 1)
    file = tmp_path / "a.csv"
    export_of(database).write("articles", "csv", file)
    before = file.read_bytes()

    def fail() -> None:
        raise RuntimeError

    rows = ExportRows(database)
    rows.articles = lambda since, until: iter(fail, None)  # type: ignore[method-assign,assignment]
    broken = Export(Articles(database), rows, {"csv": csv_file})
    with pytest.raises(RuntimeError):
        broken.write("articles", "csv", file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".db" and "bellwether" not in path.name] == [
        "a.csv"
    ]


def test_unknown_table_or_format_says_the_mend(database: Database, tmp_path: Path) -> None:
    for what, format in (("secrets", "csv"), ("articles", "xlsx")):
        with pytest.raises(InvalidInput, match=r"articles, trends, alerts, audit .* csv, json, parquet"):
            export_of(database).write(what, format, tmp_path / "a")


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'b.db'}")
    with database.session() as session:
        session.add_all(
            ArticleRow(
                id=n, url=f"u{n}", title="t", text="x" * 20_000, language="en", published_at=NOW, stored_at=NOW,
                content_hash="h",
            )
            for n in range(2000)
        )  # fmt: skip
    export = export_of(database, batch=50)
    export.write("articles", "json", tmp_path / "a", until=NOW)  # what is loaded once
    tracemalloc.start()
    assert export.write("articles", "json", tmp_path / "a") == 2000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "a").stat().st_size > 40_000_000
    assert peak < 15_000_000
    database.close()


def test_command_writes_the_file_and_prints_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'bellwether.db'}")
    add_article(database, 1)
    database.close()
    file = tmp_path / "out.csv"
    command = [
        "export_data",
        "--what",
        "articles",
        "--format",
        "csv",
        "--output",
        str(file),
        "--from",
        "2026-03-01",
    ]
    monkeypatch.setattr("sys.argv", [*command, "--data-dir", str(tmp_path)])
    export_data.main()
    assert json.loads(capsys.readouterr().out) == {"what": "articles", "rows": 1, "file": str(file)}
    monkeypatch.setattr("sys.argv", [*command, "--data-dir", str(tmp_path / "nowhere")])
    with pytest.raises(InvalidInput, match="There is no database"):
        export_data.main()
    monkeypatch.setattr("sys.argv", [*command[:-1], "yesterday"])
    with pytest.raises(SystemExit):
        export_data.main()
    assert "no time such as" in capsys.readouterr().err
