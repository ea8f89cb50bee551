"""Who gets to /operations, and to all that is below it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.web import create_app
from tests.web import PASSWORD, sign_in
from tests.whole import build_whole

BELOW = [
    ("GET", "/operations/config"),
    ("GET", "/operations/gradio_api/info"),
    ("POST", "/operations/gradio_api/queue/join"),
    ("POST", "/operations/gradio_api/upload"),
    ("GET", "/operations/gradio_api/file=/etc/passwd"),
]


@pytest.fixture(scope="module")
def app(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("operations")
    services = build_whole(folder, tiny_backbone_folder, rate_sign_in="")
    for name, role in (("root", "administrator"), ("ada", "analyst"), ("mira", "agent")):
        services.accounts.create_account(name, PASSWORD, role)
    yield create_app(services)
    services.close()


@pytest.fixture
def client(app: Any) -> TestClient:
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(("method", "path"), BELOW)
def test_operations_without_session_answers_401(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 401


@pytest.mark.parametrize("name", ["ada", "mira"])
def test_operations_is_refused_to_lesser_roles(client: TestClient, name: str) -> None:
    sign_in(client, name)
    for method, path in [("GET", "/operations/"), *BELOW]:
        assert client.request(method, path).status_code == 403, path


def test_operations_opens_to_an_administrator(client: TestClient) -> None:
    assert client.get("/operations").headers["location"] == "/sign-in?next=/operations"
    sign_in(client, "root")
    assert client.get("/operations").headers["location"] == "/operations/"
    assert client.get("/operations/").status_code == 200
    assert client.get("/operations/config").status_code == 200


@pytest.mark.parametrize(("size", "status"), [(100, 200), (10_000_001, 413)])
def test_upload_is_limited_in_size(client: TestClient, size: int, status: int) -> None:
    sign_in(client, "root")
    response = client.post("/operations/gradio_api/upload", files={"files": ("a.md", b"x" * size)})
    assert response.status_code == status


def test_upload_from_another_site_is_refused(client: TestClient) -> None:
    sign_in(client, "root")
    response = client.post(
        "/operations/gradio_api/upload",
        files={"files": ("a.md", b"x")},
        headers={"Origin": "https://evil.example"},
    )
    assert response.status_code == 403
