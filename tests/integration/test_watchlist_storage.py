"""The watchlist in the database and in a file."""

from datetime import UTC, datetime

import pytest

from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.watchlist import WatchedCompany, WatchedName
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.watchlist import Watchlist, read_watchlist

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NAMES = (
    WatchedName("Copperline", "alias", case_sensitive=True),
    WatchedName("CPL", "ticker", safe=True),
    WatchedName("铜线", "chinese", needs=("银行", "客户")),
)


@pytest.fixture
def watchlist(database: Database) -> Watchlist:
    return Watchlist(database)


def test_company_comes_back_as_it_was_put_on_watch(watchlist: Watchlist) -> None:
    added = watchlist.add("  Copperline  Bank ", NOW, NAMES, "ada")
    assert added == WatchedCompany(added.id, "Copperline Bank", NAMES)
    assert watchlist.list() == [added]
    assert watchlist.get(added.id) == added


def test_company_is_on_the_list_once(watchlist: Watchlist) -> None:
    watchlist.add("Copperline Bank", NOW)
    with pytest.raises(Conflict, match="already"):
        watchlist.add("Copperline Bank", NOW)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("X", ()),
        ("x" * 101, ()),
        ("Copperline", (WatchedName("C"),)),
        ("Copperline", (WatchedName("Copper", "nickname"),)),
        ("Copperline", (WatchedName("cpl", "ticker"),)),
    ],
)
def test_name_that_cannot_be_watched_is_refused(
    watchlist: Watchlist, name: str, names: tuple[WatchedName, ...]
) -> None:
    with pytest.raises(InvalidInput):
        watchlist.add(name, NOW, names)
    assert watchlist.list() == []


def test_changes_are_in_the_audit_with_who_made_them(watchlist: Watchlist, database: Database) -> None:
    added = watchlist.add("Copperline Bank", NOW, actor="ada")
    changed = watchlist.update(added.id, NOW, NAMES, enabled=False, actor="bob")
    assert (changed.names, changed.enabled) == (NAMES, False)
    assert watchlist.list(enabled_only=True) == []
    watchlist.remove(added.id, NOW, "cleo")
    assert watchlist.list() == []
    entries = Audit(database).entries("entity", added.id)
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("cleo", "remove"),
        ("bob", "change"),
        ("ada", "add"),
    ]


def test_unknown_company_is_not_found(watchlist: Watchlist) -> None:
    for action in (watchlist.get, lambda i: watchlist.update(i, NOW, NAMES), lambda i: watchlist.remove(i, NOW)):
        with pytest.raises(NotFound):
            action(7)


def test_import_adds_changes_and_tells_what_changed(watchlist: Watchlist) -> None:
    watchlist.add("Copperline Bank", NOW)
    watchlist.add("Larkmoor Bank", NOW, NAMES[:1])
    companies = [("Copperline Bank", NAMES), ("Larkmoor Bank", NAMES[:1]), ("Vantry Motors", ())]
    assert [c.name for c in watchlist.import_companies(companies, NOW)] == ["Copperline Bank", "Vantry Motors"]
    assert [(c.name, c.names) for c in watchlist.list()] == companies_of(companies)
    assert watchlist.import_companies(companies, NOW) == []


def companies_of(rows: list[tuple[str, tuple[WatchedName, ...]]]) -> list[tuple[str, tuple[WatchedName, ...]]]:
    return sorted(rows)


def test_import_takes_all_or_nothing(watchlist: Watchlist) -> None:
    with pytest.raises(InvalidInput):
        watchlist.import_companies([("Vantry Motors", ()), ("X", ())], NOW)
    assert watchlist.list() == []


def test_sample_comes_and_goes_and_touches_nothing_else(watchlist: Watchlist) -> None:
    watchlist.add("Copperline Bank", NOW, NAMES)
    sample = [("Copperline Bank", ()), ("Vantry Motors", NAMES[:1])]
    assert [c.name for c in watchlist.import_companies(sample, NOW, sample=True)] == ["Vantry Motors"]
    assert watchlist.remove_sample() == 1
    assert [(c.name, c.names) for c in watchlist.list()] == [("Copperline Bank", NAMES)]


CSV = (
    "company,name,kind,case_sensitive,needs,safe\n"
    "Copperline Bank,Copperline,alias,yes,,\n"
    "Copperline Bank,CPL,ticker,,,yes\n"
    "Vantry Motors,,,,,\n"
    "Copperline Bank,铜线,chinese,,银行; 客户,\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_file_is_read_a_name_a_row(encoding: str) -> None:
    found = read_watchlist(CSV.encode(encoding), "list.csv")
    assert [(name, tuple(names)) for name, names in found] == [("Copperline Bank", NAMES), ("Vantry Motors", ())]


def test_file_of_companies_alone_is_enough() -> None:
    assert read_watchlist(b"company\nVantry Motors\n", "list.csv") == [("Vantry Motors", [])]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name\nVantry\n", "expected the columns"),
        (b"", "expected the columns"),
        (b"company,name\n", "no company"),
        (b"company,name\nVantry Motors,V\n", "line 2"),
        (b"company,name\n,V\n", "line 2: the company is missing"),
        (b"company,name,kind\nVantry Motors,Vantry,nick\n", "line 2: A name is one of"),
        ("company\n雀原银行\n".encode("gbk"), "not a CSV file in UTF-8"),
    ],
)
def test_file_that_cannot_be_used_names_the_place(content: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_watchlist(content, "list.csv")
