"""Who gets in where: the dashboard and the API need a session, the chat and the health checks do not."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.guard import PROTECTED
from app.api.session import safe_target, session_router
from app.services.accounts import SESSION_LENGTH
from app.ui.sign_in import SignInPages
from app.ui.views import Views
from app.web import create_app
from tests import fakes
from tests.web import NAME, PASSWORD, form_token, sign_in, web_services

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def clock() -> fakes.ManualClock:
    return fakes.ManualClock(NOW)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, clock: fakes.ManualClock) -> Iterator[Any]:
    with web_services(tmp_path_factory.mktemp("web"), clock) as services:
        yield services


@pytest.fixture(scope="module")
def app(services: Any, clock: fakes.ManualClock) -> FastAPI:
    return create_app(services, clock)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A browser of its own, without cookies."""
    return TestClient(app, follow_redirects=False)


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
        ("GET", "/api/v1/sources"),
        ("GET", "/api/v1/session"),
        ("GET", "/metrics"),
        ("POST", "/api/v1/chat"),
        ("POST", "/api/v1/articles"),
        ("POST", "/api/v1/classify"),
    ],
)
def test_request_protected_path_without_session_answers_401(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, json={"question": "x", "texts": ["x"]} if method == "POST" else None)
    assert response.status_code == 401
    assert "signed in" in response.json()["error"].lower()


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
    secure.include_router(
        session_router(services.accounts, pages, services.limits, secure_cookies=True, public_url="")
    )
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
def test_safe_target_outside_the_dashboard_is_dropped(target: str) -> None:
    assert safe_target(target) == ""


@pytest.mark.parametrize("target", ["/analyst", "/analyst/", "/analyst/?__theme=dark", "/agent", "/operations/x"])
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


# What Gradio answers below a page: its settings, its queue, its files.
BELOW = (
    ("GET", ""),
    ("GET", "/config"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/queue/data?session_hash=x"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/run/predict"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/file=/etc/passwd"),
    ("POST", "/gradio_api/upload"),
)


@pytest.mark.parametrize(("method", "below"), BELOW)
@pytest.mark.parametrize("prefix", PROTECTED)
def test_request_protected_path_with_too_low_a_role_answers_403(
    client: TestClient, services: Any, prefix: str, method: str, below: str
) -> None:
    lower = {"/agent": None, "/analyst": "agent", "/operations": "analyst"}[prefix]
    if lower is None:  # nobody signed in is below an agent
        refused = client.request(method, prefix + below)
        assert refused.status_code == (303 if below == "" else 401)
        return
    if not any(account.username == f"low {lower}" for account in services.accounts.accounts()):
        services.accounts.create_account(f"low {lower}", PASSWORD, lower)
    sign_in(client, f"low {lower}")
    refused = client.request(method, prefix + below)
    assert refused.status_code == 403
    assert "needs the" in refused.json()["error"]


@pytest.mark.parametrize("path", ["/analyst", "/analyst/", "/analyst/config", "/analyst/gradio_api/info"])
def test_request_analyst_path_with_the_role_is_let_through(client: TestClient, path: str) -> None:
    sign_in(client)
    assert client.get(path).status_code in (200, 307)


def test_sign_in_leads_to_the_page_of_the_role(client: TestClient, services: Any) -> None:
    services.accounts.create_account("helper", PASSWORD, "agent")
    assert sign_in(client, "helper").headers["location"] == "/agent/"
    assert sign_in(client).headers["location"] == "/analyst/"
    assert sign_in(client, next="/operations").headers["location"] == "/operations"


def test_first_password_must_be_changed_before_anything_else(client: TestClient, services: Any) -> None:
    first = services.accounts.invite("newcomer", "administrator")
    assert sign_in(client, "newcomer", first, next="/analyst").headers["location"] == "/password"
    assert client.get("/analyst/").headers["location"] == "/password"
    assert client.get("/analyst/config").status_code == 403
    assert client.get("/api/v1/articles").status_code == 403
    assert "Choose one of your own" in client.get("/password").text
    form = {"current": first, "new": first, "repeated": first, "token": form_token(client)}
    assert "Choose another" in client.post("/password", data=form).text
    assert client.post("/password", data=form | dict.fromkeys(("new", "repeated"), PASSWORD)).status_code == 200
    assert sign_in(client, "newcomer", next="/analyst").headers["location"] == "/analyst"
    assert client.get("/analyst/config").status_code == 200


def test_change_password_ends_sessions_and_replaces_it(client: TestClient, services: Any) -> None:
    assert client.get("/password").status_code == 401
    services.accounts.create_account("careful", PASSWORD, "analyst")
    sign_in(client, "careful")
    token = re.search('name="token" value="(.+?)"', client.get("/password").text)
    assert token
    assert token[1] == form_token(client)
    form = {"current": PASSWORD, "new": "another good one", "repeated": "another good one", "token": token[1]}
    assert client.post("/password", data=form | {"repeated": "something else"}).status_code == 400
    assert client.post("/password", data=form | {"current": "not this one"}).status_code == 400
    assert client.post("/password", data=form | {"token": ""}).status_code == 400
    assert client.post("/password", data=form, headers={"origin": "https://evil.example"}).status_code == 400
    assert client.post("/password", data=form).status_code == 200
    assert client.get("/analyst/config").status_code == 401
    assert sign_in(client, "careful").status_code == 401
    assert sign_in(client, "careful", password="another good one").status_code == 303


def test_sessions_are_listed_and_ended_one_by_one_or_all(client: TestClient, app: FastAPI, services: Any) -> None:
    services.accounts.create_account("busy", PASSWORD, "analyst")
    other = TestClient(app, follow_redirects=False, headers={"user-agent": "Phone <b>"})
    sign_in(client, "busy")
    sign_in(other, "busy")
    page = client.get("/sessions").text
    assert "Phone &lt;b&gt;" in page
    listed = client.get("/api/v1/sessions").json()
    [phone] = [session for session in listed if session["browser"] == "Phone <b>"]
    assert client.post("/sessions/end", data={"session": phone["id"]}).status_code == 400  # no token
    assert other.get("/analyst/config").status_code == 200
    form = {"session": phone["id"], "token": form_token(client)}
    assert client.post("/sessions/end", data=form).headers["location"] == "/sessions"
    assert other.get("/analyst/config").status_code == 401
    assert client.post("/sessions/end", data=form).status_code == 400  # gone
    assert client.post("/sessions/end", data={"token": form["token"]}).headers["location"] == "/sign-in"
    assert client.get("/analyst/config").status_code == 401


def test_nobody_ends_the_session_of_another(client: TestClient, app: FastAPI, services: Any) -> None:
    services.accounts.create_account("victim", PASSWORD, "analyst")
    other = TestClient(app, follow_redirects=False)
    sign_in(client)
    sign_in(other, "victim")
    [theirs] = other.get("/api/v1/sessions").json()
    headers = {"X-CSRF-Token": form_token(client)}
    assert client.delete(f"/api/v1/sessions/{theirs['id']}", headers=headers).status_code == 404
    assert other.get("/analyst/config").status_code == 200


def test_chat_and_health_need_no_session(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/healthz").json() == {"status": "ok"}
    checks = dict.fromkeys(("database", "backbone", "index", "jobs"), "ok")
    assert client.get("/readyz").json() == {"status": "ready", "checks": checks}


def test_readiness_without_database_answers_503(
    client: TestClient, services: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise ConnectionError("no database")

    monkeypatch.setattr(services.database, "reading", refuse)
    with caplog.at_level(logging.CRITICAL):
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert response.json()["checks"]["database"] == "failed"


def test_pages_forbid_other_hosts(client: TestClient) -> None:
    policy = client.get("/sign-in").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert client.get("/docs").status_code == 404  # would load scripts from elsewhere
    page = client.get("/api/docs").text
    for address in re.findall('(?:src|href)="(.+?)"', page):
        assert address.startswith("/api/docs/")
        assert len(client.get(address).content) > 1000
    assert "https://" not in page
    assert client.get("/api/docs/..%2Fcore.py").status_code == 404
