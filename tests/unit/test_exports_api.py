"""Files to take away over HTTP, without the rest of the application."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.errors import install_error_responses
from app.api.exports import exports_router
from app.domain.errors import AccessDenied, InvalidInput
from app.storage.article_corrections import ArticleCorrection


class Export:
    """Writes what it was asked."""

    def write(self, what: str, format: str, output: Path, since: Any, until: Any, bucket_hours: int) -> int:
        if since and until and since >= until:
            raise InvalidInput("The span must begin before it ends.")
        output.write_text(f"{what} {format} {since and since.isoformat()} {bucket_hours}")
        self.folder = output.parent
        return 1


@pytest.fixture
def export() -> Export:
    return Export()


@pytest.fixture
def app(export: Export) -> FastAPI:
    correction = ArticleCorrection(1, "断电了", "negative", "cyber", "ada", datetime(2026, 3, 1, tzinfo=UTC))
    app = FastAPI()
    install_error_responses(app)
    app.include_router(exports_router(export, SimpleNamespace(all=lambda: [correction])))  # type: ignore[arg-type]
    app.state.gate = SimpleNamespace(admit=lambda *_: None)
    return app


def test_table_comes_as_a_file_that_is_gone_from_the_server_afterwards(app: FastAPI, export: Export) -> None:
    answer = TestClient(app).get("/api/v1/exports/trends.csv?since=2026-03-01T08:00&bucket_hours=6")
    assert answer.text == "trends csv 2026-03-01T08:00:00+00:00 6"
    assert 'filename="trends.csv"' in answer.headers["content-disposition"]
    assert not export.folder.exists()


def test_corrections_come_as_rows_to_train_on(app: FastAPI) -> None:
    answer = TestClient(app).get("/api/v1/exports/corrections.jsonl")
    assert json.loads(answer.text) == {"text": "断电了", "label": "negative", "topic": "cyber"}


@pytest.mark.parametrize("path", ["audit.csv", "articles.exe", "articles.csv?since=2026-03-02&until=2026-03-01"])
def test_what_there_is_not_is_refused(app: FastAPI, path: str) -> None:
    assert TestClient(app).get(f"/api/v1/exports/{path}").status_code == 422


@pytest.mark.parametrize("name", ["articles.csv", "corrections.jsonl"])
def test_nobody_else_gets_anything(app: FastAPI, name: str) -> None:
    def refuse(*_: Any) -> None:
        raise AccessDenied("Sign in.")

    app.state.gate = SimpleNamespace(admit=refuse)
    assert TestClient(app).get(f"/api/v1/exports/{name}").status_code == 401
