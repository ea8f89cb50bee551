"""The chat for programs: whole and streamed, in its own form and in OpenAI's, with that service's own client."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.web import create_app
from tests import fakes
from tests.web import REPLY, web_services, with_key

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)
CARD = "What happens when my card is missing?"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("api_chat")
    options = {"rate_caller": "", "answers_at_once": 1, "waiting_visitors": 1}
    with web_services(folder, fakes.ManualClock(NOW), **options) as services:
        yield services


@pytest.fixture(scope="module")
def client(services: Any) -> TestClient:
    return TestClient(create_app(services, fakes.ManualClock(NOW)), headers=with_key(services))


@pytest.fixture(scope="module")
def address(services: Any) -> Iterator[str]:
    """The same application behind a real server, for clients that stream."""
    config = uvicorn.Config(create_app(services, fakes.ManualClock(NOW)), log_level="warning")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture
def assistant(services: Any, address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=services.key, max_retries=0) as client:
        yield client


def until(condition: Callable[[], bool]) -> None:
    """A server gives a place up a moment after its client has read the end."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def idle(services: Any) -> bool:
    return services.chat_queue.served() == services.chat_queue.waiting() == 0


def said(content: str, *before: tuple[str, str]) -> list[Any]:
    return [{"role": role, "content": text} for role, text in (*before, ("user", content))]


def test_answer_has_its_outcome_and_citations_and_goes_on(client: TestClient, services: Any) -> None:
    first = client.post("/api/v1/chat", json={"question": CARD}).json()
    assert (first["reply"], first["outcome"], first["language"]) == (REPLY, "generated", "en")
    [citation] = first["citations"]
    assert citation["number"] == 1
    assert citation["source"] == "en/cards.csv#0"
    body = {"question": "And when it is stolen?", "conversation_id": first["conversation_id"]}
    second = client.post("/api/v1/chat", json=body).json()
    assert second["conversation_id"] == first["conversation_id"]
    assert len(services.conversations.history(first["conversation_id"])) == 4
    assert services.responder.asked[-1][2][0].content == CARD


def test_streamed_answer_is_events_that_end_with_the_whole(client: TestClient) -> None:
    response = client.post("/api/v1/chat", json={"question": CARD, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [event.split("\n", 1) for event in response.text.strip().split("\n\n")]
    read = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]
    assert "".join(data["text"] for name, data in read if name == "delta") == REPLY
    assert read[-1][0] == "done"
    assert read[-1][1]["citations"][0]["source"] == "en/cards.csv#0"


@pytest.mark.parametrize("stream", [True, False])
def test_question_that_cannot_be_answered_is_refused_before_any_answer(client: TestClient, stream: bool) -> None:
    gone = client.post("/api/v1/chat", json={"question": "x", "conversation_id": "0" * 32, "stream": stream})
    assert gone.status_code == 404
    long = client.post("/api/v1/chat", json={"question": "x" * 2001, "stream": stream})
    assert long.status_code == 422
    assert "2000" in long.json()["error"]
    assert client.post("/api/v1/chat", json={"question": "", "stream": stream}).status_code == 422


def test_feedback_needs_the_conversation_that_the_reply_is_in(client: TestClient, services: Any) -> None:
    answer = client.post("/api/v1/chat", json={"question": CARD}).json()
    other = client.post("/api/v1/chat", json={"question": CARD}).json()
    opinion = {"message_id": answer["message_id"], "value": -1, "reason": "wrong", "comment": "No."}
    guessed = client.post("/api/v1/feedback", json=opinion | {"conversation_id": other["conversation_id"]})
    assert guessed.status_code == 404
    own = opinion | {"conversation_id": answer["conversation_id"]}
    assert client.post("/api/v1/feedback", json=own).status_code == 204
    assert services.conversations.history(answer["conversation_id"])[-1].feedback == -1
    assert services.conversations.history(other["conversation_id"])[-1].feedback == 0


def test_openai_client_lists_the_model_and_gets_an_answer(assistant: openai.OpenAI, services: Any) -> None:
    assert [model.id for model in assistant.models.list()] == ["bellwether"]
    assert assistant.models.retrieve("bellwether").object == "model"
    before = ("system", "You are a pirate."), ("user", "Hello"), ("assistant", "Good day.")
    answer = assistant.chat.completions.create(model="bellwether", messages=said(CARD, *before), temperature=0.2)
    assert answer.choices[0].message.content == REPLY
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.completion_tokens == len(REPLY.split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.choices[0].message.model_extra["citations"][0]["source"] == "en/cards.csv#0"
    _, _, history = services.responder.asked[-1]
    assert [message.content for message in history] == ["Hello", "Good day."]


def test_openai_client_streams_with_usage(assistant: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": CARD}]
    stream = assistant.chat.completions.create(
        model="bellwether", messages=[{"role": "user", "content": parts}], stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == REPLY
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage.completion_tokens == len(REPLY.split())


def test_openai_client_reads_every_refusal_as_its_own_errors(services: Any, assistant: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="bellwether"):
        assistant.chat.completions.create(model="gpt-9", messages=said(CARD))
    for wrong in (
        {"messages": said(" ")},
        {"messages": []},
        {"messages": said(CARD), "n": 2},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]},
        {"messages": [{"role": "assistant", "content": "Hello"}]},
        {"messages": said("x" * 2001)},
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            assistant.chat.completions.create(model="bellwether", **wrong)
        assert caught.value.type == "invalid_request_error"
    with pytest.raises(openai.AuthenticationError) as denied:
        assistant.with_options(api_key="bw_wrong").models.list()
    assert denied.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError):
        assistant.with_options(api_key=services.api_keys.create("reader", ["alerts:read"])).models.list()


def test_openai_client_hears_of_an_error_within_the_stream(
    services: Any, assistant: openai.OpenAI, monkeypatch: Any
) -> None:
    def break_off(*_: object) -> Iterator[str]:
        yield "Freeze it in the app [1]. "
        raise RuntimeError("secret")

    monkeypatch.setattr(services.responder, "stream", break_off)
    stream = assistant.chat.completions.create(model="bellwether", messages=said(CARD), stream=True)
    with pytest.raises(openai.APIError, match="Something failed"):
        list(stream)


def test_line_tells_the_place_and_refuses_when_it_is_full(
    services: Any, address: str, assistant: openai.OpenAI
) -> None:
    until(lambda: idle(services))
    holder = services.chat_queue.enter()
    headers, body = with_key(services), {"question": CARD, "stream": True}
    with httpx.stream("POST", f"{address}/api/v1/chat", json=body, headers=headers, timeout=30) as waiting:
        lines = waiting.iter_lines()
        assert [next(lines), next(lines)] == ["event: position", 'data: {"position": 1}']
        with pytest.raises(openai.InternalServerError, match="line is full") as caught:
            assistant.chat.completions.create(model="bellwether", messages=said(CARD))
        assert caught.value.status_code == 503
        assert int(caught.value.response.headers["retry-after"]) > 0
        holder.leave()
        assert "event: done" in list(lines)
    until(lambda: idle(services))


def test_reader_who_goes_gives_the_place_to_the_next(services: Any, address: str) -> None:
    until(lambda: idle(services))
    holder = services.chat_queue.enter()
    headers, body = with_key(services), {"question": CARD, "stream": True}
    with httpx.stream("POST", f"{address}/api/v1/chat", json=body, headers=headers, timeout=30) as waiting:
        lines = waiting.iter_lines()  # kept: the connection closes with it
        assert next(lines) == "event: position"
        assert services.chat_queue.waiting() == 1
    until(lambda: services.chat_queue.waiting() == 0)
    holder.leave()
    assert idle(services)
