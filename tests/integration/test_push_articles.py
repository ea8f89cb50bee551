"""Articles that programs send: the endpoint, its keys, its limits."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from fastapi.testclient import TestClient

from app.api import articles as articles_module
from app.api.articles import articles_router
from app.api.errors import install_error_responses
from app.domain.errors import AccessDenied, RoleMissing
from app.domain.news import FeedItem, Source
from app.services.api_keys import ApiKeys
from app.services.pushing import Pushing
from app.storage.api_keys import StoredApiKeys
from app.storage.database import Database
from app.storage.sources import Sources
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ARTICLE = {"title": "Bank fined", "text": "The regulator fined the bank.", "url": "https://wire.example/1"}


class Store:
    """Stores by address, as ingestion does."""

    def __init__(self) -> None:
        self.items: dict[str, FeedItem] = {}
        self.sources: set[str] = set()

    def store(self, items: list[FeedItem], source: Source, sample: bool = False) -> tuple[int, int]:
        before = len(self.items)
        self.items.update({item.url: item for item in items if item.url not in self.items})
        self.sources.add(source.url)
        return len(self.items) - before, len(items) - (len(self.items) - before)


@dataclass(frozen=True)
class Caller:
    name: str


class Endpoint:
    """The endpoint with real keys in front of it."""

    def __init__(self, database: Database) -> None:
        self.clock, self.store = ManualClock(NOW), Store()
        self.sources = Sources(database, self.clock)
        self.keys = ApiKeys(StoredApiKeys(database), self.clock)
        app = FastAPI()
        install_error_responses(app)
        app.include_router(articles_router(Pushing(self.sources, self.store, self.clock), self.sender))  # type: ignore[arg-type]
        self.client = TestClient(app)
        self.key = self.keys.create("wire", ["articles:write"])

    def sender(self, authorization: Annotated[str, Header()] = "") -> Caller:
        key = self.keys.check(authorization.removeprefix("Bearer "))
        if key is None:
            raise AccessDenied("This key is not known.")
        if "articles:write" not in key.scopes:
            raise RoleMissing("This key may not write.")
        return Caller(f"key {key.name}")

    def post(self, body: Any, key: str | None = None, path: str = "/api/articles") -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=content, headers={"Authorization": f"Bearer {key or self.key}"})


@pytest.fixture
def endpoint(database: Database) -> Endpoint:
    return Endpoint(database)


@pytest.mark.parametrize("path", ["/api/articles", "/api/v1/articles"])
def test_push_stores_under_a_source_of_the_key(endpoint: Endpoint, path: str) -> None:
    response = endpoint.post({**ARTICLE, "published_at": "2026-03-01T10:00:00+08:00", "outlet": "Wire"}, path=path)
    assert (response.status_code, response.json()) == (200, {"received": 1, "new": 1, "known": 0})
    moment = datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert endpoint.store.items["https://wire.example/1"] == FeedItem(
        "https://wire.example/1", "Bank fined", "The regulator fined the bank.", moment, "Wire"
    )
    source = endpoint.sources.list()[0]
    assert (source.name, source.kind, source.last_count) == ("key wire", "push", 1)
    assert endpoint.sources.due(NOW) == [], "nobody visits it"


def test_push_again_changes_nothing(endpoint: Endpoint) -> None:
    unaddressed = {"title": "No address", "text": "Words."}
    for expected in ({"received": 3, "new": 3, "known": 0}, {"received": 3, "new": 0, "known": 3}):
        bodies = [ARTICLE, unaddressed, {**unaddressed, "text": "Other words."}]
        assert endpoint.post(bodies).json() == expected
    assert len(endpoint.sources.list()) == 1


def test_push_with_no_good_key_is_refused(endpoint: Endpoint) -> None:
    assert endpoint.post(ARTICLE, "bw_wrong").status_code == 401
    assert endpoint.client.post("/api/articles", json=ARTICLE).status_code == 401
    reader = endpoint.keys.create("reader", ["articles:read"])
    assert endpoint.post(ARTICLE, reader).status_code == 403
    endpoint.keys.revoke("wire")
    assert endpoint.post(ARTICLE).status_code == 401
    assert endpoint.store.items == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (7, "body"),
        ({"text": "no title"}, "title: Field required"),
        ({"title": " "}, "title"),
        ([ARTICLE, {**ARTICLE, "title": 7}], "1.title"),
        ({**ARTICLE, "url": "file:///etc/passwd"}, "https://"),
        ({**ARTICLE, "url": "http://[::1"}, "url"),
        ({**ARTICLE, "published_at": "2026-03-01T10:00:00"}, "published_at"),
        ({**ARTICLE, "published_at": "soon"}, "published_at"),
        ({**ARTICLE, "sentiment": "negative"}, "sentiment"),
        ({**ARTICLE, "text": "x" * 200_001}, "text"),
    ],
)
def test_push_of_something_else_says_what_is_wrong(endpoint: Endpoint, body: Any, words: str) -> None:
    response = endpoint.post(body)
    assert response.status_code == 422
    assert words in response.json()["error"]
    assert endpoint.store.items == {}


def test_push_of_too_much_is_refused(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    response = endpoint.post([{**ARTICLE, "url": f"https://wire.example/{n}"} for n in range(101)])
    assert response.status_code == 413
    assert "100" in response.json()["error"]
    monkeypatch.setattr(articles_module, "MAX_BYTES", 1000)
    assert endpoint.post({**ARTICLE, "text": "x" * 1000}).status_code == 413
    assert endpoint.store.items == {}
