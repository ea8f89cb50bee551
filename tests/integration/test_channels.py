"""Chat channels and webhooks: a real HTTP server on loopback at the other end."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.domain.errors import DeliveryDeferred, DeliveryRefused, InvalidInput
from app.integrations.channels import Channels


class Hook:
    """Takes posts, and answers `status` with `headers`."""

    def __init__(self) -> None:
        self.status, self.headers = 200, dict[str, str]()
        self.posts: list[tuple[dict[str, Any], dict[str, str]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.posts.append((json.loads(body), dict(self.headers)))
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/risk"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    opened = Hook()
    yield opened
    opened.close()


def test_message_arrives_with_its_key(hook: Hook) -> None:
    text = "12 articles\nhttps://a.example/"
    Channels(allow_private_addresses=True).send(hook.address, "负面报道激增", text, "<k@x>")
    ((body, headers),) = hook.posts
    assert (body["title"], body["message"]) == ("负面报道激增", text)
    assert headers["Idempotency-Key"] == "k@x"


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, DeliveryRefused), (401, DeliveryRefused), (429, DeliveryDeferred), (500, DeliveryDeferred)],
)
def test_answer_tells_whether_to_try_again(hook: Hook, status: int, error: type[Exception]) -> None:
    hook.status = status
    with pytest.raises(error, match=f"error={status}"):
        Channels(allow_private_addresses=True).send(hook.address, "title", "body", "<k@x>")
    assert len(hook.posts) == 1


def test_redirect_is_not_followed(hook: Hook) -> None:
    other = Hook()
    hook.status, hook.headers = 307, {"Location": other.address.replace("json", "http")}
    with pytest.raises(DeliveryDeferred, match="307"):
        Channels(allow_private_addresses=True).send(f"{hook.address}", "title", "body", "<k@x>")
    other.close()
    assert other.posts == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
def test_private_address_is_refused_unless_allowed(hook: Hook, host: str) -> None:
    with pytest.raises(DeliveryRefused, match="BELLWETHER_ALLOW_PRIVATE_ADDRESSES"):
        Channels(allow_private_addresses=False).send(
            f"json://{host}:{hook.server.server_port}/risk", "title", "body", "<k@x>"
        )
    assert hook.posts == []


def test_name_that_leads_to_a_private_address_is_refused(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve("10.0.0.7", *rest, **more))
    with pytest.raises(DeliveryRefused, match=r"hooks\.bank\.example is an address of a private network"):
        Channels(allow_private_addresses=False).send("json://hooks.bank.example/risk", "title", "body", "<k@x>")


def test_other_programs_connections_are_left_alone(hook: Hook) -> None:
    """The check is for our own messages: after one, this thread may use its own network as before."""
    import requests

    with pytest.raises(DeliveryRefused):
        Channels(allow_private_addresses=False).send(hook.address, "title", "body", "<k@x>")
    answer = requests.post(hook.address.replace("json", "http"), json={"free": True}, timeout=5)
    assert answer.status_code == 200


def test_server_that_is_not_there_is_deferred() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DeliveryDeferred, match=f"127.0.0.1:{port}"):
        Channels(allow_private_addresses=True).send(f"json://127.0.0.1:{port}/", "title", "body", "<k@x>")


def test_server_that_hangs_is_deferred() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=0.3"
        with pytest.raises(DeliveryDeferred):
            Channels(allow_private_addresses=True).send(address, "title", "body", "<k@x>")


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ("mailto://user:secret@bank.example", "address alone"),
        ("syslog://", "HTTP"),
        ("dbus://", "HTTP|Apprise"),
        ("mqtt://bank.example/topic", "HTTP|Apprise"),
        ("nonsense://bank.example", "Apprise"),
        ("slack://short", "Apprise"),
        ("nobody", "neither"),
    ],
)
def test_check_refuses_what_cannot_be_used(recipient: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Channels(allow_private_addresses=True).check(recipient)


def test_check_lets_common_channels_through() -> None:
    for recipient in ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#risk", "jsons://hooks.bank.example/x"):
        Channels(allow_private_addresses=False).check(recipient)
    Channels(allow_private_addresses=False).check("desk@bank.example")
