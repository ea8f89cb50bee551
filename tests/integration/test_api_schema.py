"""Schemathesis asks the whole application, on the tiny model, whatever its OpenAPI schema allows."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from app.domain.api_keys import SCOPES
from tests.whole import build_whole

EXAMPLES = 6
_SESSIONS = {  # that no key can open
    "GET /api/v1/session",
    "GET /api/v1/sessions",
    "DELETE /api/v1/sessions",
    "DELETE /api/v1/sessions/{session_id}",
}


@pytest.fixture(scope="module")
def application(tiny_backbone_folder: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from app.web import create_app

    folder = tmp_path_factory.mktemp("schema")
    services = build_whole(folder, tiny_backbone_folder, max_reply_tokens=8, rate_caller="")
    yield create_app(services), services.api_keys.create("schemathesis", SCOPES)
    services.close()


@pytest.fixture(scope="module")
def schema(application: Any) -> Any:
    return schemathesis.openapi.from_asgi("/api/openapi.json", application[0])


def test_schema_names_every_endpoint(schema: Any) -> None:
    paths = set(schema.raw_schema["paths"])
    assert {
        "/api/v1/chat",
        "/api/v1/classify",
        "/v1/chat/completions",
        "/api/v1/alerts/{alert_id}/{action}",
    } <= paths
    assert {"/api/v1/articles", "/api/v1/sources", "/api/v1/feedback", "/readyz", "/metrics"} <= paths
    assert not any(path.startswith(("/sign-", "/analyst", "/mail")) for path in paths)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_is_a_server_error(schema: Any, application: Any, mode: GenerationMode) -> None:
    headers, asked = {"Authorization": f"Bearer {application[1]}"}, set()

    def ask(operation: Any) -> None:
        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def examples(case: Any) -> None:
            response = case.call_and_validate(headers=headers, checks=[not_a_server_error])
            asked.add((operation.label, response.status_code))

        try:
            examples()
        except Unsatisfiable:  # nothing about it can be wrong
            assert mode is GenerationMode.NEGATIVE

    for found in schema.get_all_operations():
        ask(found.ok())
    answered = {label for label, status in asked if status < 300}
    if mode is GenerationMode.POSITIVE:
        assert {"POST /api/v1/chat", "POST /api/v1/classify", "GET /api/v1/articles", "GET /metrics"} <= answered
        assert {label for label, status in asked if status in (401, 403, 429)} <= _SESSIONS
    else:
        assert ("POST /api/v1/classify", 422) in asked
