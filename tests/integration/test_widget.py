"""The chat in other sites' pages: who may frame what."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.config import load_settings
from app.domain.errors import ConfigurationError
from app.ui.widget import widget_router
from app.web import SafetyHeaders

BANK = "https://www.bank.example"


def framers(policy: str) -> str:
    return next(part.strip() for part in policy.split(";") if "frame-ancestors" in part)


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(widget_router())
    app.add_middleware(SafetyHeaders, widget_origins=[BANK])
    return TestClient(app)


def test_only_the_chat_may_be_framed_by_listed_origins(client: TestClient) -> None:
    assert framers(client.get("/").headers["content-security-policy"]) == f"frame-ancestors 'self' {BANK}"
    for path in ("/analyst/", "/agent/", "/operations/", "/sign-in", "/widget.js"):
        assert framers(client.get(path).headers["content-security-policy"]) == "frame-ancestors 'self'"


def test_widget_script_is_served_as_a_script(client: TestClient) -> None:
    script = client.get("/widget.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "document.currentScript" in script.text


@pytest.mark.parametrize(
    "value", ["bank.example", "https://bank.example/path", "https://a.example; script-src *", "*"]
)
def test_origin_that_is_none_is_refused_with_the_mend(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"WIDGET_ORIGINS.*no origin such as https://www.bank.example"):
        load_settings(widget_origins=value)


def test_origins_are_split_at_commas() -> None:
    origins = load_settings(widget_origins=f"{BANK}/, https://*.bank.example:8443").widget_origins
    assert origins == (BANK, "https://*.bank.example:8443")
