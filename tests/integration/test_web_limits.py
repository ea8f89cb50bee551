"""Limits, readiness and numbers of the whole application, as its clients meet them."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.domain.alerts import Alert
from app.services.readiness import PATIENCE, readiness_checks
from app.services.visitors import VISITOR_COOKIE
from app.storage.database import Database
from app.storage.statistics import Statistics
from app.storage.tables import JobRunRow, LeaseRow
from app.web import create_app
from tests import fakes
from tests.web import PASSWORD, form_token, sign_in, web_services, with_key

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Any]:
    options = {"rate_caller": "3/hour", "rate_sign_in": "2/hour", "max_request_bytes": 10_000}
    with web_services(tmp_path, fakes.ManualClock(NOW), **options) as services:
        yield services


def test_key_and_account_are_each_refused_beyond_their_rate(strict: Any) -> None:
    client = TestClient(create_app(strict, fakes.ManualClock(NOW)))
    one, other = with_key(strict), with_key(strict, "articles:read")
    assert [client.get("/api/v1/topics", headers=one).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/api/v1/topics", headers=one)
    assert int(refused.headers["retry-after"]) > 0
    assert "wait" in refused.json()["error"]
    assert client.get("/v1/models", headers=one).json()["error"]["code"] == "rate_limit_exceeded"
    assert client.get("/api/v1/topics", headers=other).status_code == 200
    sign_in(client)
    assert [client.get("/api/v1/topics").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_attempts_to_sign_in_are_limited_by_address(strict: Any) -> None:
    client = TestClient(create_app(strict, fakes.ManualClock(NOW)), follow_redirects=False)
    assert [sign_in(client, f"nobody {n}").status_code for n in range(3)] == [401, 401, 429]
    assert "wait" in sign_in(client).text


def test_body_that_is_too_long_answers_413_whatever_its_length_is_said_to_be(strict: Any) -> None:
    client = TestClient(create_app(strict, fakes.ManualClock(NOW)))
    body = b'{"texts": ["' + b"x" * 10_000 + b'"]}'
    headers = {"Content-Type": "application/json", **with_key(strict)}
    for path in ("/api/v1/classify", "/v1/chat/completions", "/sign-in"):
        assert client.post(path, content=body, headers=headers).status_code == 413
        assert client.post(path, content=iter([body[:9000], body[9000:]]), headers=headers).status_code == 413
    assert (
        client.post("/api/v1/classify", content=iter([b'{"texts"', b': ["x"]}']), headers=headers).status_code
        == 200
    )


def test_visitor_of_the_chat_gets_a_cookie_once(strict: Any) -> None:
    client = TestClient(create_app(strict, fakes.ManualClock(NOW)))
    first = client.get("/").headers["set-cookie"]
    assert first.startswith(VISITOR_COOKIE)
    assert "httponly" in first.lower()
    assert strict.limits.visitors.read(client.cookies[VISITOR_COOKIE])
    assert "set-cookie" not in client.get("/").headers
    forged = TestClient(client.app, cookies={VISITOR_COOKIE: "0" * 96})
    assert forged.get("/").headers["set-cookie"].startswith(VISITOR_COOKIE)


def test_metrics_count_what_happens(strict: Any) -> None:
    client = TestClient(create_app(strict, fakes.ManualClock(NOW)))
    client.post(
        "/api/v1/chat", json={"question": "What happens when my card is missing?"}, headers=with_key(strict)
    )
    client.get("/api/v1/articles/17", headers=with_key(strict))
    client.get("/analyst/nowhere/17")
    strict.alerts.create(Alert("cyber", NOW, NOW, "high", 9, 1.0, 1e-6, 6), [], NOW, "localhost")
    headers = with_key(strict, "metrics:read")
    text = client.get("/metrics", headers=headers).text
    for line in (
        'bellwether_chat_replies_total{outcome="generated"} 1.0',
        "bellwether_chat_first_token_seconds_count 1.0",
        'bellwether_requests_total{method="GET",route="/api/v1/articles/{article_id}",status="404"} 1.0',
        'bellwether_requests_total{method="GET",route="/analyst",status="401"} 1.0',
        'bellwether_alerts{state="open"} 1.0',
        "bellwether_articles 0.0",
        "bellwether_chat_waiting 0.0",
    ):
        assert line in text


def test_metrics_are_open_only_where_the_settings_say_so(tmp_path: Path) -> None:
    with web_services(tmp_path, fakes.ManualClock(NOW), open_metrics=True) as services:
        assert TestClient(create_app(services, fakes.ManualClock(NOW))).get("/metrics").status_code == 200


def test_administrator_reads_metrics_in_a_session(strict: Any) -> None:
    strict.accounts.create_account("root", PASSWORD, "administrator")
    client = TestClient(create_app(strict, fakes.ManualClock(NOW)))
    sign_in(client, "root")
    assert form_token(client)
    assert client.get("/metrics").status_code == 200


def test_readiness_names_what_is_missing(database: Database) -> None:
    checks = readiness_checks(Statistics(database), lambda: False, lambda: 0, fakes.ManualClock(NOW))
    missing = {name: check() for name, check in checks.items()}
    assert missing["database"] == missing["jobs"] == ""
    assert "model" in missing["backbone"]
    assert "index" in missing["index"]


def test_readiness_wants_the_jobs_to_run_somewhere(database: Database) -> None:
    clock = fakes.ManualClock(NOW)
    jobs = readiness_checks(Statistics(database), lambda: True, lambda: 1, clock, "scheduler")["jobs"]
    assert jobs() == ""  # it has only begun
    clock.now += PATIENCE
    assert jobs() == "no job has run yet"
    with database.session() as session:
        session.add(JobRunRow(job="fetch", started_at=NOW))
        session.add(LeaseRow(name="scheduler", holder="x", expires_at=clock.now))
    assert "since 2025-11-24 09:00" in jobs()
    with database.session() as session:
        session.get_one(LeaseRow, "scheduler").expires_at = clock.now + timedelta(seconds=1)
    assert jobs() == ""


def test_readyz_without_index_answers_503(strict: Any, caplog: pytest.LogCaptureFixture) -> None:
    strict.readiness = dict(strict.readiness) | {"index": lambda: "no index", "backbone": lambda: 1 / 0}
    with caplog.at_level(logging.CRITICAL):
        answer = TestClient(create_app(strict, fakes.ManualClock(NOW))).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "backbone": "failed", "index": "no index", "jobs": "ok"}
