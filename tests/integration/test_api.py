"""The API for programs: keys and their scopes, sessions and their token, and what each endpoint answers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.permissions import SCOPES
from app.domain import api_keys
from app.domain.alerts import Alert
from app.domain.news import Article, Excerpt
from app.storage.audit import Audit
from app.web import create_app
from tests import fakes
from tests.web import NAME, PASSWORD, form_token, sign_in, web_services, with_key

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)
# Every endpoint with the scope that it needs.
NEEDED = (
    ("POST", "/api/v1/chat", "chat", {"question": "Hello"}),
    ("POST", "/api/v1/feedback", "chat", {"conversation_id": "x", "message_id": 1, "value": 1}),
    (
        "POST",
        "/v1/chat/completions",
        "chat",
        {"model": "bellwether", "messages": [{"role": "user", "content": "x"}]},
    ),
    ("GET", "/v1/models", "chat", None),
    ("POST", "/api/v1/classify", "classify", {"texts": ["x"]}),
    ("GET", "/api/v1/topics", "articles:read", None),
    ("GET", "/api/v1/articles", "articles:read", None),
    ("GET", "/api/v1/articles/1", "articles:read", None),
    ("GET", "/api/v1/trends", "articles:read", None),
    ("GET", "/api/v1/alerts", "alerts:read", None),
    ("GET", "/api/v1/alerts/1", "alerts:read", None),
    ("POST", "/api/v1/alerts/1/acknowledge", "alerts:write", {}),
    ("POST", "/api/v1/alerts/1/comment", "alerts:write", {"comment": "x"}),
    ("GET", "/api/v1/sources", "sources:read", None),
    ("POST", "/api/v1/sources", "sources:write", {"url": "https://a.example/feed"}),
    ("PATCH", "/api/v1/sources/1", "sources:write", {"enabled": False}),
    ("DELETE", "/api/v1/sources/1", "sources:write", None),
    ("GET", "/metrics", "metrics:read", None),
)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with web_services(tmp_path_factory.mktemp("api"), fakes.ManualClock(NOW), rate_caller="") as services:
        yield services


@pytest.fixture(scope="module")
def app(services: Any) -> FastAPI:
    return create_app(services, fakes.ManualClock(NOW))


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def all_scopes(services: Any) -> dict[str, str]:
    return with_key(services)


def message_of(response: Any) -> str:
    error = response.json()["error"]
    return error if isinstance(error, str) else error["message"]


def test_scopes_are_those_that_keys_can_have() -> None:
    assert set(SCOPES) == set(api_keys.SCOPES)


@pytest.mark.parametrize(("method", "path", "scope", "body"), NEEDED)
def test_request_with_a_key_needs_the_scope(
    client: TestClient, services: Any, method: str, path: str, scope: str, body: Any
) -> None:
    others = [name for name in SCOPES if name != scope]
    refused = client.request(
        method, path, json=body, headers=with_key(services, *others, name=f"no {method}{path}")
    )
    assert refused.status_code == 403
    assert scope in message_of(refused)
    headers = with_key(services, scope, name=f"one {method}{path}")
    assert client.request(method, path, json=body, headers=headers).status_code not in (401, 403, 500)


@pytest.mark.parametrize(("method", "path", "scope", "body"), NEEDED)
def test_request_without_key_or_session_is_refused(
    client: TestClient, services: Any, method: str, path: str, scope: str, body: Any
) -> None:
    for headers in ({}, {"Authorization": "Bearer bw_guessed"}, {"Authorization": "Basic YTpi"}):
        refused = client.request(method, path, json=body, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path", "scope", "body"), NEEDED)
def test_request_in_a_session_needs_the_role(
    client: TestClient, app: FastAPI, services: Any, method: str, path: str, scope: str, body: Any
) -> None:
    role = SCOPES[scope]
    for name in ("agent", "analyst", "administrator"):
        if not any(account.username == name for account in services.accounts.accounts()):
            services.accounts.create_account(name, PASSWORD, name)
        browser = TestClient(app)
        sign_in(browser, name)
        token = {"X-CSRF-Token": form_token(browser)}
        status = browser.request(method, path, json=body, headers=token).status_code
        allowed = ["agent", "analyst", "administrator"].index(name) >= list(type(role)).index(role)
        assert (status != 403) == allowed


def test_revoked_key_is_refused(client: TestClient, services: Any) -> None:
    headers = with_key(services, "articles:read", name="short-lived")
    assert client.get("/api/v1/topics", headers=headers).status_code == 200
    services.api_keys.revoke("short-lived")
    assert client.get("/api/v1/topics", headers=headers).status_code == 401


def test_write_in_a_session_needs_the_token_of_that_session(
    client: TestClient, app: FastAPI, services: Any
) -> None:
    sign_in(client)
    other = TestClient(app)
    sign_in(other)
    body = {"texts": ["profit rises"]}
    foreign = {"X-CSRF-Token": form_token(other)}
    evil = {"X-CSRF-Token": form_token(client), "origin": "https://evil.example"}
    for headers in ({}, foreign, {"X-CSRF-Token": "ü".encode()}, evil):
        refused = client.post("/api/v1/classify", json=body, headers=headers)
        assert refused.status_code == 403
    right = {"X-CSRF-Token": form_token(client)}
    assert client.post("/api/v1/classify", json=body, headers=right).status_code == 200


def test_classify_reads_each_text_towards_the_company(client: TestClient, services: Any, all_scopes: Any) -> None:
    body = {"texts": ["profit rises", "outage"], "entity": " Copperline ", "style": "headline"}
    readings = client.post("/api/v1/classify", json=body, headers=all_scopes).json()
    assert [reading["sentiment"] for reading in readings] == ["positive", "negative"]
    assert [reading["topics"] for reading in readings] == [["earnings"], ["cyber"]]
    assert services.classifier.asked[-1] == Excerpt("outage", "Copperline", "headline")
    for wrong in (
        {"entity": "x" * 201},
        {"style": "poem"},
        {"entity": 7},
        {"texts": []},
        {"texts": [" "]},
        {"texts": ["x" * 20_001]},
        {"texts": ["x"] * 65},
    ):
        assert client.post("/api/v1/classify", json=body | wrong, headers=all_scopes).status_code == 422


def test_articles_are_listed_and_got(client: TestClient, services: Any, all_scopes: Any) -> None:
    reading = replace(fakes.classify(["outage"])[0], deciding=("It was out.",))
    article = Article("https://a.example/1", "Outage", "Text", NOW, "en", "hash", classification=reading)
    services.articles.add(article, NOW)
    [found] = client.get("/api/v1/articles", params={"topic": "cyber"}, headers=all_scopes).json()
    assert found["classification"]["sentiment"] == "negative"
    assert (found["classification"]["topics"], found["classification"]["deciding"]) == (["cyber"], ["It was out."])
    assert client.get(f"/api/v1/articles/{found['id']}", headers=all_scopes).json() == found
    assert client.get("/api/v1/articles/999", headers=all_scopes).status_code == 404
    assert client.get("/api/v1/articles", params={"topic": "labour"}, headers=all_scopes).json() == []
    assert client.get("/api/v1/topics", headers=all_scopes).json()["cyber"] == "IT incidents"
    params = {"until": "2025-11-24T10:00:00Z", "bucket_hours": 24}
    trend = client.get("/api/v1/trends", params=params, headers=all_scopes).json()
    assert sum(point["negative"] for point in trend) == 1
    of_nobody = client.get("/api/v1/trends", params=params | {"entity": "Nobody"}, headers=all_scopes).json()
    assert sum(point["negative"] for point in of_nobody) == 0


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/api/v1/articles?topic=weather", "weather"),
        ("/api/v1/articles?limit=0", "limit"),
        ("/api/v1/articles?since=2025-01-01T00:00:00", "since"),
        ("/api/v1/articles/99999999999999999999", "article_id"),
        ("/api/v1/trends?since=1999-01-01T00:00:00Z&bucket_hours=1", "bucket_hours"),
        ("/api/v1/trends?until=0001-01-01T00:00:00%2B14:00", "until"),
        ("/api/v1/trends?topic=cyber&entity=X", "entity"),
        ("/api/v1/alerts?state=lost", "state"),
    ],
)
def test_unusable_request_says_what_is_wrong(client: TestClient, all_scopes: Any, path: str, word: str) -> None:
    response = client.get(path, headers=all_scopes)
    assert response.status_code == 422
    assert word in response.json()["error"]


def test_alert_is_taken_on_in_the_name_of_the_key(client: TestClient, services: Any, all_scopes: Any) -> None:
    alert = services.alerts.create(Alert("cyber", NOW, NOW, "high", 9, 1.0, 1e-6, 6), [], NOW, "localhost")
    path = f"/api/v1/alerts/{alert.id}"
    assert [found["id"] for found in client.get("/api/v1/alerts", headers=all_scopes).json()] == [alert.id]
    done = client.post(f"{path}/acknowledge", json={"comment": "On it"}, headers=all_scopes).json()
    assert (done["state"], done["acknowledged_by"]) == ("acknowledged", "key everything")
    assert client.post(f"{path}/acknowledge", headers=all_scopes).status_code == 409
    assert client.post(f"{path}/comment", json={"comment": "Spoke to them"}, headers=all_scopes).status_code == 200
    assert client.post(f"{path}/resolve", headers=all_scopes).json()["state"] == "resolved"
    assert client.post(f"{path}/reopen", headers=all_scopes).json()["state"] == "open"
    assert client.post(f"{path}/erase", headers=all_scopes).status_code == 422
    assert client.get(path, headers=all_scopes).json()["comment"] == "Spoke to them"
    assert client.get("/api/v1/alerts/999", headers=all_scopes).status_code == 404
    recorded = Audit(services.database).entries("alert", alert.id)
    assert [entry.actor for entry in recorded if entry.action == "acknowledge"] == ["key everything"]


def test_source_is_added_paused_and_removed(client: TestClient, services: Any, all_scopes: Any) -> None:
    body = {"name": "Wire", "url": "https://wire.example/feed", "kind": "feed", "interval_minutes": 30}
    added = client.post("/api/v1/sources", json=body, headers=all_scopes)
    assert added.status_code == 201
    path = f"/api/v1/sources/{added.json()['id']}"
    assert client.post("/api/v1/sources", json=body, headers=all_scopes).status_code == 409
    assert client.patch(path, json={"enabled": False}, headers=all_scopes).json()["enabled"] is False
    assert not client.get(path, headers=all_scopes).json()["enabled"]
    assert added.json()["id"] in [
        source["id"] for source in client.get("/api/v1/sources", headers=all_scopes).json()
    ]
    assert client.delete(path, headers=all_scopes).status_code == 204
    assert client.delete(path, headers=all_scopes).status_code == 404
    for url in ("file:///etc/passwd", "folder", "ftp://a.example/"):
        assert client.post("/api/v1/sources", json={"url": url}, headers=all_scopes).status_code == 422


def test_session_tells_who_it_is_and_ends_everywhere(client: TestClient, app: FastAPI) -> None:
    other = TestClient(app)
    sign_in(client)
    sign_in(other)
    own = client.get("/api/v1/session").json()
    assert (own["username"], own["role"], own["must_change_password"]) == (NAME, "analyst", False)
    assert client.delete("/api/v1/sessions").status_code == 403
    headers = {"X-CSRF-Token": own["csrf_token"]}
    assert client.delete("/api/v1/sessions", headers=headers).status_code == 204
    assert client.get("/api/v1/session").status_code == other.get("/api/v1/session").status_code == 401


def test_defect_answers_in_words_without_a_trace(
    services: Any, app: FastAPI, all_scopes: Any, monkeypatch: Any
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(services.articles, "recent", fail)
    response = TestClient(app, raise_server_exceptions=False).get("/api/v1/articles", headers=all_scopes)
    assert response.status_code == 500
    assert "log" in response.json()["error"]
    assert "secret" not in response.text
