"""When a name in a text means a company on the watchlist."""

import pytest

from app.domain.watchlist import WatchedCompany, WatchedName, longest_first, plain
from app.ml.company_names import CompanyNames

APPLE = WatchedCompany(
    1,
    "Apple",
    (
        WatchedName("Apple Inc"),
        WatchedName("AAPL", "ticker"),
        WatchedName("苹果公司", "chinese"),
        WatchedName("苹果", "chinese", needs=("iPhone", "库克", "手机")),
    ),
)
TARGET = WatchedCompany(2, "Target", (WatchedName("Target Corporation"), WatchedName("TGT", "ticker")))
BOC = WatchedCompany(3, "Bank of China", (WatchedName("中国银行", "chinese"), WatchedName("中行", "chinese")))
ICBC = WatchedCompany(
    4,
    "Industrial and Commercial Bank of China",
    (WatchedName("中国工商银行", "chinese"), WatchedName("工行", "chinese")),
)
MOUTAI = WatchedCompany(5, "Kweichow Moutai", (WatchedName("贵州茅台", "chinese"), WatchedName("600519", "ticker")))
SHELL = WatchedCompany(6, "Shell", (WatchedName("Shell plc"), WatchedName("SHEL", "ticker", safe=True)))
COPPERLINE = WatchedCompany(7, "Copperline Bank", (WatchedName("Copperline", "alias", case_sensitive=True),))
NAMES = CompanyNames([APPLE, TARGET, BOC, ICBC, MOUTAI, SHELL, COPPERLINE])


def named(text: str) -> list[str]:
    return [company.name for company in NAMES.find(text)]


@pytest.mark.parametrize(
    ("text", "companies"),
    [
        ("Copperline Bank says its app is back", ["Copperline Bank"]),
        ("COPPERLINE BANK SAYS ITS APP IS BACK", ["Copperline Bank"]),
        ("Copperline’s app is back", ["Copperline Bank"]),
        ("a copperline pattern", []),
        ("Copperlines are in fashion", []),
        ("write to press@Copperline today", []),
        ("据悉Copperline将裁员", ["Copperline Bank"]),
        ("Bank of China lends more", ["Bank of China"]),
        ("Industrial and Commercial Bank of China lends more", ["Industrial and Commercial Bank of China"]),
        ("中国工商银行与中国银行今日公告", ["Industrial and Commercial Bank of China", "Bank of China"]),
        ("中国银行业监管趋严", []),
        ("中国银行间市场利率走低", []),
        ("中国银行股普遍上涨", []),
        ("中国银行股价上涨", ["Bank of China"]),
        ("an apple a day", []),
        ("Apple growers fear frost", []),
        ("Apple Inc. reports a record quarter", ["Apple"]),
        ("Apple rises. The shares of Apple Inc gained.", ["Apple"]),
        ("Apple (NASDAQ: AAPL) rises", ["Apple"]),
        ("Buy $AAPL now", ["Apple"]),
        ("AAPL stands for nothing here", []),
        ("aapl is no ticker ($aapl)", []),
        ("苹果丰收，果农笑开颜", []),
        ("苹果发布新款iPhone", ["Apple"]),
        ("苹果公司市值创新高", ["Apple"]),
        ("Analysts raise their price target", []),
        ("Target practice begins", []),
        ("Target Corporation cuts its outlook; Target blames tariffs", ["Target"]),
        ("贵州茅台（600519.SH）今日大跌", ["Kweichow Moutai"]),
        ("SH600519 falls", ["Kweichow Moutai"]),
        ("order number 600519 was lost", []),
        ("order number 1600519.SH was lost", []),
        ("SHEL gains in London", ["Shell"]),
        ("the shell of an egg", []),
        ("Shell plc and AAPL.O gain", ["Shell", "Apple"]),
        ("", []),
    ],
)
def test_find_names_the_companies_that_are_meant(text: str, companies: list[str]) -> None:
    assert named(text) == companies


def test_find_tells_how_a_company_is_written_once_the_text_is_clear() -> None:
    found = NAMES.find("Apple falls. Apple Inc said that AAPL holders (AAPL) may vote.")
    assert [(company.name, company.written) for company in found] == [("Apple", ("Apple", "Apple Inc", "AAPL"))]


def test_company_that_is_switched_off_is_not_found_and_still_blocks_shorter_names() -> None:
    names = CompanyNames([BOC, WatchedCompany(9, "Export Bank of China Fund", enabled=False)])
    assert names.find("Export Bank of China Fund grows") == []
    assert [company.company_id for company in names.find("Bank of China grows")] == [3]


def test_two_companies_of_one_name_are_both_found() -> None:
    names = CompanyNames(
        [WatchedCompany(1, "Delmore"), WatchedCompany(2, "Delmore Sub", (WatchedName("Delmore"),))]
    )
    assert [company.company_id for company in names.find("Delmore files for insolvency")] == [1, 2]


def test_find_without_companies_is_empty() -> None:
    assert CompanyNames([]).find("Copperline Bank") == []


def test_find_in_an_endless_repetition_ends() -> None:
    assert [company.company_id for company in NAMES.find("中国银行" * 20_000)] == [3]


def test_longest_first_keeps_what_does_not_overlap() -> None:
    assert longest_first([(0, 4), (2, 10), (10, 12), (11, 12)]) == [1, 2]
    assert longest_first([(0, 4), (0, 4), (3, 7)]) == [0, 1]
    assert longest_first([]) == []


def test_plain_unifies_what_print_makes_different() -> None:
    assert plain("Ｌloyd’s\n  of “London”") == 'Lloyd\'s of "London"'
