"""Names of a company as lines of text, and back."""

import pytest

from app.domain.errors import InvalidInput
from app.domain.watchlist import WatchedCompany, WatchedName
from app.ui.analyst.company_form import CompanyForm, form_of, names_of

NAMES = (
    WatchedName("Apple", "name", True, ("iPhone", "Cupertino")),
    WatchedName("Apple Computer", "name"),
    WatchedName("Cook's", "alias", False, ("iPhone",)),
    WatchedName("AAPL", "ticker", safe=True),
    WatchedName("苹果公司", "chinese"),
    WatchedName("苹果", "chinese", needs=("手机", "库克")),
)


def test_form_of_a_company_gives_back_what_is_stored() -> None:
    assert tuple(names_of(form_of(WatchedCompany(1, "Apple", NAMES)), NAMES)) == NAMES


def test_names_of_lines_read_needs_after_a_colon_and_marks() -> None:
    others = "Big Apple： iPhone、Mac [exact case]\n\n  "
    form = CompanyForm("Apple", others, "AAPL", "苹果: 手机， 库克", "iPhone; Mac")
    assert names_of(form) == [
        WatchedName("Apple", "name", needs=("iPhone", "Mac")),
        WatchedName("Big Apple", "alias", True, ("iPhone", "Mac")),
        WatchedName("AAPL", "ticker"),
        WatchedName("苹果", "chinese", needs=("手机", "库克")),
    ]


def test_names_of_nothing_but_a_name_are_none() -> None:
    assert names_of(CompanyForm("Copperline Bank")) == []


@pytest.mark.parametrize("others", ["Copper\nCopper", ": bank"])
def test_names_of_unusable_lines_are_refused(others: str) -> None:
    with pytest.raises(InvalidInput):
        names_of(CompanyForm("Copperline Bank", others))
