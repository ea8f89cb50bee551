"""What the sources' tab asks for and shows, without a browser."""

from datetime import UTC, datetime

import pytest

from app.domain.errors import InvalidInput
from app.domain.news import Source
from app.ui.analyst.source_options import options_of
from app.ui.views import Views

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "detail", "options"),
    [
        ("auto", "ignored", {}),
        ("list", " .news a ", {"selector": ".news a"}),
        ("json", "gdelt", {"mapping": "gdelt"}),
        ("json", '{"title": "t"}', {"mapping": {"title": "t"}}),
    ],
)
def test_options_of_a_form(kind: str, detail: str, options: dict[str, object]) -> None:
    assert options_of(kind, detail) == options


def test_options_of_a_broken_mapping_say_so() -> None:
    with pytest.raises(InvalidInput, match="not valid JSON"):
        options_of("json", '{"title": ')


def test_failing_source_shows_what_is_wrong_since_when_and_when_it_is_tried_again() -> None:
    failing = Source(
        1, "Gone", "https://a.example/feed", last_fetched_at=NOW, last_error="It does not exist (404).",
        failing_since=datetime(2026, 3, 1, 8, tzinfo=UTC), failures=5, next_visit_at=NOW.replace(hour=11),
    )  # fmt: skip
    html = Views("UTC").render("sources.html", sources=[failing], samples=0)
    assert "It does not exist (404)." in html
    assert "5 visits in a row failed" in html
    assert "08:00" in html
    assert "11:00" in html
    assert "Fetch now" in html


def test_push_source_is_not_offered_for_visits() -> None:
    html = Views("UTC").render("sources.html", sources=[Source(1, "key wire", "push://wire", "push")], samples=0)
    assert "programs send articles" in html
    assert "Fetch now" not in html
