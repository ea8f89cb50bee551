"""Lists of sources: the one that ships, and one's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.config import ROOT
from app.domain.errors import InvalidInput
from app.integrations.json_mapping import mapping_of
from app.storage.database import open_database
from app.storage.sources import Sources
from pipelines import add_sources

STARTER = ROOT / "data" / "sources" / "starter.csv"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict]:
    def run(*words: object) -> dict:
        monkeypatch.setattr("sys.argv", ["add_sources", *map(str, words), "--data-dir", str(tmp_path)])
        add_sources.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_starter_list_is_added_switched_off_until_somebody_has_checked_it(run: Callable, tmp_path: Path) -> None:
    rows = list(add_sources.read_sources(STARTER))
    assert len(rows) >= 40
    assert {row["language"] for row in rows} == {"en", "zh"}
    assert {row["category"] for row in rows} == {"central bank", "regulator", "exchange", "press"}
    assert {row["checked"] for row in rows} == {"no"}
    for row in rows:
        if row["kind"] == "json":
            mapping_of(row["options"]["mapping"])
    assert run(STARTER) == {"added": len(rows), "enabled": 0, "known": 0}
    assert run(STARTER) == {"added": 0, "enabled": 0, "known": len(rows)}
    database = open_database(f"sqlite:///{tmp_path / 'bellwether.db'}")
    stored = Sources(database).list()
    assert not any(source.enabled for source in stored)
    assert {source.options.get("mapping") for source in stored if "gdeltproject" in source.url} == {"gdelt"}
    database.close()


def test_own_list_can_be_switched_on(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    head = "name,url,kind,language,category,checked\n"
    path.write_text(
        head + "A,https://a.example/feed,feed,en,press,yes\nB,https://b.example/feed,feed,zh,press,no\n"
    )
    assert run(path, "--language", "zh") == {"added": 1, "enabled": 0, "known": 0}
    assert run(path, "--enable") == {"added": 1, "enabled": 1, "known": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,url\nA,https://a.example\n", "lacks the column 'kind'"),
        ("name,url,kind,language,category,checked,options\nA,https://a.example,feed,en,press,no,{\n", "line 2"),
        ("name,url,kind,language,category,checked\nA,https://a.example,paper,en,press,no\n", "one of auto"),
    ],
)
def test_list_that_is_unusable_is_refused(run: Callable, tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=reason):
        run(path)
