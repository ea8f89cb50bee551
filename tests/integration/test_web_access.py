"""Who gets in where: the dashboard and the API need a session, the chat and the health checks do not."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.session import safe_target, session_router
from app.config import load_settings
from app.domain.news import TOPICS, Article, Classification, Excerpt
from app.services.accounts import SESSION_LENGTH, AccountService
from app.storage.accounts import Accounts
from app.storage.alerts import Alerts, Outbox
from app.storage.articles import Articles
from app.storage.database import open_database
from app.storage.sources import Sources
from app.ui.sign_in import SignInPages
from app.ui.views import Views
from app.web import create_app
from tests import fakes

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)
NAME, PASSWORD = "ada", "correct horse battery"


class Classifier:
    """Keyword classification with the signature of the real one; remembers what it was asked."""

    titles: ClassVar = {**TOPICS, "cyber": "IT incidents"}

    def __init__(self) -> None:
        self.asked: list[Excerpt] = []

    def classify(self, texts: Sequence[Excerpt], priority: object = None) -> list[Classification]:
        self.asked += texts
        return fakes.classify(texts)


@pytest.fixture(scope="module")
def clock() -> fakes.ManualClock:
    return fakes.ManualClock(NOW)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, clock: fakes.ManualClock) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("web")
    settings = load_settings(data_dir=folder, database_url=f"sqlite:///{folder / 'web.db'}")
    database = open_database(settings.effective_database_url)
    accounts = AccountService(Accounts(database), clock)
    accounts.create_account(NAME, PASSWORD, "analyst")
    yield SimpleNamespace(
        settings=settings,
        database=database,
        accounts=accounts,
        articles=Articles(database),
        alerts=Alerts(database),
        outbox=Outbox(database),
        sources=Sources(database),
        classifier=Classifier(),
        ingestion=None,
        sample=None,
        chat=None,
    )
    database.close()


@pytest.fixture(scope="module")
def app(services: Any, clock: fakes.ManualClock) -> FastAPI:
    return create_app(services, clock)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A browser of its own, without cookies."""
    return TestClient(app, follow_redirects=False)


def sign_in(client: TestClient, name: str = NAME, password: str = PASSWORD, **fields: str) -> Any:
    return client.post("/sign-in", data={"username": name, "password": password, **fields})


@pytest.mark.parametrize("path", ["/analyst", "/analyst/"])
def test_open_dashboard_without_session_leads_to_sign_in(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=/analyst"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/analyst/config"),
        ("GET", "/analyst/gradio_api/info"),
        ("GET", "/analyst/gradio_api/queue/data?session_hash=x"),
        ("POST", "/analyst/gradio_api/queue/join"),
        ("POST", "/analyst/gradio_api/run/predict"),
        ("POST", "/analyst/gradio_api/upload"),
        ("GET", "/analyst/gradio_api/heartbeat/x"),
        ("GET", "/analyst/gradio_api/file=/etc/passwd"),
        ("GET", "/analyst/file=/etc/passwd"),
        ("GET", "/analyst/assets/index.js"),
        ("GET", "/analyst/theme.css"),
        ("POST", "/analyst/"),
        ("GET", "/%61nalyst/config"),
        ("GET", "/api/v1/articles"),
        ("GET", "/api/v1/alerts"),
        ("GET", "/api/v1/trends"),
        ("GET", "/api/v1/topics"),
        ("POST", "/api/v1/classify"),
    ],
)
def test_request_protected_path_without_session_answers_401(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, json={"text": "x"} if method == "POST" else None)
    assert response.status_code == 401
    assert "sign in" in response.json()["error"].lower()


def test_request_with_unknown_token_answers_401(client: TestClient) -> None:
    client.cookies.set("bellwether_session", "guessed")
    assert client.get("/analyst/config").status_code == 401


def test_sign_in_sets_a_guarded_cookie_and_leads_on(client: TestClient) -> None:
    response = sign_in(client, next="/analyst")
    assert response.status_code == 303
    assert response.headers["location"] == "/analyst"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert client.get("/analyst").headers["location"] == "/analyst/"
    assert client.get("/analyst/").status_code == 200
    assert client.get("/analyst/config").status_code == 200


def test_sign_in_behind_https_sets_a_secure_cookie(services: Any) -> None:
    secure = FastAPI()
    pages = SignInPages(Views("UTC"))
    secure.include_router(session_router(services.accounts, pages, secure_cookies=True, public_url=""))
    client = TestClient(secure, base_url="https://testserver", follow_redirects=False)
    assert "; secure" in sign_in(client).headers["set-cookie"].lower()


def test_sign_in_with_wrong_password_keeps_the_name_and_says_why(client: TestClient) -> None:
    response = sign_in(client, password="<wrong>")
    assert response.status_code == 401
    assert "set-cookie" not in response.headers
    assert 'value="ada"' in response.text
    assert 'role="alert"' in response.text


def test_sign_in_escapes_what_was_typed(client: TestClient) -> None:
    response = sign_in(client, name='"><script>alert(1)</script>')
    assert "<script>alert" not in response.text


def test_sign_in_after_five_failures_is_locked_for_a_while(
    client: TestClient, services: Any, clock: fakes.ManualClock
) -> None:
    services.accounts.create_account("forgetful", PASSWORD, "analyst")
    for _ in range(5):
        assert sign_in(client, "forgetful", "not this one").status_code == 401
    assert sign_in(client, "forgetful").status_code == 401
    clock.advance(minutes=2)
    assert sign_in(client, "forgetful").status_code == 303


@pytest.mark.parametrize("field", ["username", "password"])
def test_sign_in_with_overlong_field_is_refused(client: TestClient, field: str) -> None:
    response = client.post("/sign-in", data={"username": NAME, "password": PASSWORD, field: "x" * 5000})
    assert response.status_code == 401


def test_sign_in_from_another_site_is_refused(client: TestClient) -> None:
    data = {"username": NAME, "password": PASSWORD}
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/sign-in", data=data, headers=headers).status_code == 403
    assert client.post("/sign-in", data=data, headers={"origin": "http://testserver"}).status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/analyst",
        "//evil.example/analyst",
        "/\\evil.example",
        "/analyst\\..\\x",
        "/analyst/../sign-out",
        "/analystx",
        "javascript:alert(1)",
        "/analyst\r\nSet-Cookie: a=b",
        "//[analyst",
        "",
    ],
)
def test_safe_target_outside_the_dashboard_becomes_its_first_page(target: str) -> None:
    assert safe_target(target) == "/analyst/"


@pytest.mark.parametrize("target", ["/analyst", "/analyst/", "/analyst/?__theme=dark"])
def test_safe_target_within_the_dashboard_is_kept(target: str) -> None:
    assert safe_target(target) == target


def test_sign_in_never_leads_to_another_site(client: TestClient) -> None:
    assert sign_in(client, next="https://evil.example/").headers["location"] == "/analyst/"
    assert "evil.example" not in client.get("/sign-in?next=https://evil.example/").text


def test_session_ends_after_its_length(client: TestClient, clock: fakes.ManualClock) -> None:
    sign_in(client)
    clock.advance(seconds=SESSION_LENGTH.total_seconds() + 1)
    assert client.get("/analyst/config").status_code == 401


def test_sign_out_ends_the_session_on_the_server(client: TestClient) -> None:
    sign_in(client)
    token = client.cookies["bellwether_session"]
    response = client.post("/sign-out")
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in"
    client.cookies.set("bellwether_session", token)
    assert client.get("/analyst/config").status_code == 401


def test_sign_out_from_another_site_is_refused(client: TestClient) -> None:
    sign_in(client)
    refusal = client.post("/sign-out", headers={"origin": "https://evil.example"})
    assert refusal.status_code == 403
    assert 'action="/sign-in"' in refusal.text
    assert client.get("/sign-out").status_code != 303
    assert client.get("/analyst/config").status_code == 200


def test_post_to_dashboard_from_another_site_is_refused(client: TestClient) -> None:
    sign_in(client)
    response = client.post("/analyst/gradio_api/queue/join", json={}, headers={"origin": "https://evil.example"})
    assert response.status_code == 403


def test_agent_is_kept_out_of_the_market_watch(client: TestClient, services: Any) -> None:
    services.accounts.create_account("agent", PASSWORD, "agent")
    sign_in(client, "agent")
    for path in ("/analyst/", "/analyst/config", "/api/v1/articles"):
        assert client.get(path).status_code == 403


def test_change_password_ends_sessions_and_replaces_it(client: TestClient, services: Any) -> None:
    assert client.get("/password").status_code == 401
    services.accounts.create_account("careful", PASSWORD, "analyst")
    sign_in(client, "careful")
    form = {"current": PASSWORD, "new": "another good one", "repeated": "another good one"}
    assert client.post("/password", data=form | {"repeated": "something else"}).status_code == 400
    assert client.post("/password", data=form | {"current": "not this one"}).status_code == 400
    assert client.post("/password", data=form, headers={"origin": "https://evil.example"}).status_code == 400
    assert client.post("/password", data=form).status_code == 200
    assert client.get("/analyst/config").status_code == 401
    assert sign_in(client, "careful").status_code == 401
    assert sign_in(client, "careful", password="another good one").status_code == 303


def test_chat_and_health_need_no_session(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "checks": {"database": "ok"}}


def test_readiness_without_database_answers_503(
    client: TestClient, services: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise ConnectionError("no database")

    monkeypatch.setattr(services.database.engine, "connect", refuse)
    with caplog.at_level(logging.CRITICAL):
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "checks": {"database": "failed"}}


def test_pages_forbid_other_hosts(client: TestClient) -> None:
    policy = client.get("/sign-in").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert client.get("/docs").status_code == 404  # would load scripts from elsewhere


def test_api_answers_signed_in_analysts(client: TestClient, services: Any) -> None:
    reading = replace(fakes.classify(["outage"])[0], deciding=("It was out.",))
    article = Article("https://a.example/1", "Outage", "Text", NOW, "en", "hash", classification=reading)
    services.articles.add(article, NOW)
    sign_in(client)
    assert client.post("/api/v1/classify", json={"text": "profit rises"}).json()["sentiment"] == "positive"
    [found] = client.get("/api/v1/articles", params={"topic": "cyber"}).json()
    assert found["classification"]["sentiment"] == "negative"
    assert (found["classification"]["topics"], found["classification"]["deciding"]) == (["cyber"], ["It was out."])
    assert client.get("/api/v1/topics").json()["cyber"] == "IT incidents"
    assert client.get("/api/v1/alerts").json() == []
    until = "2025-11-24T10:00:00Z"
    trend = client.get("/api/v1/trends", params={"until": until, "bucket_hours": 24}).json()
    assert sum(point["negative"] for point in trend) == 1


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/api/v1/articles?topic=weather", "weather"),
        ("/api/v1/articles?limit=0", "limit"),
        ("/api/v1/articles?since=2025-01-01T00:00:00", "since"),
        ("/api/v1/trends?since=1999-01-01T00:00:00Z&bucket_hours=1", "bucket_hours"),
        ("/api/v1/alerts?state=lost", "state"),
    ],
)
def test_api_given_unusable_request_says_what_is_wrong(client: TestClient, path: str, word: str) -> None:
    sign_in(client)
    response = client.get(path)
    assert response.status_code == 422
    assert word in response.json()["error"]


def test_api_classifies_towards_a_company(client: TestClient, services: Any) -> None:
    sign_in(client)
    body = {"text": "profit rises", "entity": " Copperline ", "style": "headline"}
    assert client.post("/api/v1/classify", json=body).json()["topics"] == ["earnings"]
    assert services.classifier.asked[-1] == Excerpt("profit rises", "Copperline", "headline")
    assert client.post("/api/v1/classify", json={"text": "profit rises"}).status_code == 200
    assert services.classifier.asked[-1] == Excerpt("profit rises")
    for wrong in ({"entity": "x" * 201}, {"style": "poem"}, {"entity": 7}):
        assert client.post("/api/v1/classify", json=body | wrong).status_code == 422


@pytest.mark.parametrize("text", ["", "x" * 30_000])
def test_classify_unusable_text_answers_422(client: TestClient, text: str) -> None:
    sign_in(client)
    assert client.post("/api/v1/classify", json={"text": text}).status_code == 422
