"""Other people's JSON by a mapping."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidInput, NotAFeed
from app.domain.news import FeedItem
from app.integrations.json_mapping import MAPPINGS, mapping_of, pick, read_json

URL = "https://api.example/news?q=bank"
MAPPING = {"items": "data.list", "title": "head.title", "url": "link", "text": "body", "published_at": "at"}


def test_read_json_follows_the_paths() -> None:
    entry = {
        "head": {"title": "Bank <b>fined</b>"},
        "link": "/1",
        "body": "<p>One.</p><p>Two.</p>",
        "at": 1714557600,
    }
    content = json.dumps({"data": {"list": [entry, {"other": 1}, None, "x"]}}).encode()
    moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert read_json(content, "application/json", URL, MAPPING) == [
        FeedItem("https://api.example/1", "Bank fined", "One.\nTwo.", moment)
    ]


def test_read_gdelt_answer() -> None:
    article = {
        "url": "https://news.example/x",
        "url_mobile": "",
        "title": "Bank says outage is over",
        "seendate": "20240501T100000Z",
        "domain": "news.example",
        "language": "English",
    }
    items = read_json(json.dumps({"articles": [article]}).encode(), "", URL, MAPPINGS["gdelt"])
    moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert items == [FeedItem("https://news.example/x", "Bank says outage is over", "", moment, "news.example")]
    assert read_json(b"{}", "", URL, MAPPINGS["gdelt"]) == []


def test_read_gdelt_refusal_is_told_in_its_own_words() -> None:
    with pytest.raises(NotAFeed, match="Your query was too short"):
        read_json(b"Your query was too short or too long.", "text/html", URL, MAPPINGS["gdelt"])


def test_read_json_without_the_list_says_what_is_there() -> None:
    with pytest.raises(NotAFeed, match=r"no list at 'data\.list'; what it has: error, code"):
        read_json(b'{"error": "quota", "code": 7}', "", URL, MAPPING)


def test_read_items_without_addresses_get_stable_ones() -> None:
    content = json.dumps([{"title": "A", "text": "One."}, {"title": "A", "text": "Two."}]).encode()
    first = read_json(content, "", URL, MAPPINGS["articles"])
    assert len({item.url for item in first}) == 2
    assert first == read_json(content, "", URL, MAPPINGS["articles"])


@pytest.mark.parametrize(
    "option", ["nonesuch", None, 7, {}, {"items": "x"}, {"title": 1}, {"title": "t", "date": "d"}]
)
def test_mapping_that_is_unusable_is_refused(option: Any) -> None:
    with pytest.raises(InvalidInput):
        mapping_of(option)


def test_mapping_by_name_or_spelled_out() -> None:
    assert mapping_of("gdelt") == MAPPINGS["gdelt"]
    assert mapping_of(MAPPING) == MAPPING


def test_pick_steps_through_objects_and_lists() -> None:
    document = {"a": [{"b": 1}, {"b": 2}]}
    assert pick(document, "a.1.b") == 2
    assert pick(document, "") is document
    assert pick(document, "a.5.b") is pick(document, "a.x") is pick(document, "c.d") is None


FIELDS = st.sampled_from(["title", "url", "text", "published_at", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(VALUES, max_size=4))
def test_read_arbitrary_values_gives_items(values: list[Any]) -> None:
    for item in read_json(json.dumps(values).encode(), "", URL, MAPPINGS["articles"]):
        assert item.title
        assert item.url.startswith(("http://", "https://"))
