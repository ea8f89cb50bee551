"""When a passage may be used: the days on which it holds, and the filters of a question."""

from datetime import date

import pytest

from app.domain.conversations import Filters, Passage

OLD = Passage("fees.csv#0", "£4", valid_until="2025-03-31")
NEW = Passage("fees.csv#1", "£5", valid_from="2025-04-01", valid_until="2025-12-31")


@pytest.mark.parametrize(
    ("day", "valid"),
    [
        (date(2024, 1, 1), [OLD]),
        (date(2025, 3, 31), [OLD]),
        (date(2025, 4, 1), [NEW]),
        (date(2025, 12, 31), [NEW]),
        (date(2026, 1, 1), []),
    ],
)
def test_passage_is_valid_from_its_first_day_to_its_last(day: date, valid: list[Passage]) -> None:
    assert [passage for passage in (OLD, NEW) if passage.is_valid_on(day)] == valid
    assert Passage("fees.md", "£4").is_valid_on(day)


def test_filters_admit_a_language_and_a_product() -> None:
    plus = Passage("a", "£12", language="en", product="Plus Account")
    student = Passage("b", "£0", language="en", product="Student Account")
    general = Passage("c", "我们 9:30 开门。", language="zh")
    everything = [plus, student, general]
    admitted = lambda **fields: [p for p in everything if Filters(**fields).admit(p)]  # noqa: E731
    assert admitted() == everything
    assert admitted(language="en") == [plus, student]
    assert admitted(product="plus account") == [plus, general]  # about no product: about all of them
    assert admitted(product="Plus Account", language="zh") == [general]
    assert admitted(product="Cash ISA", language="en") == []
