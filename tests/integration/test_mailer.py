"""The mailer against an SMTP server in this process."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from app.domain.errors import DeliveryDeferred, DeliveryRefused, ServerUnreachable
from app.integrations.mailer import Mailer

RECIPIENT = "desk@larkmoor.example"


class Inbox:
    """Keeps what it is sent; `refusals` maps a stage to the answer given there instead of accepting."""

    def __init__(self, **refusals: str) -> None:
        self.refusals, self.received = refusals, []

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list) -> str:
        envelope.mail_from = address
        return self.refusals.get("mail", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list) -> str:
        if "rcpt" not in self.refusals:
            envelope.rcpt_tos.append(address)
        return self.refusals.get("rcpt", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if "data" not in self.refusals:
            self.received.append(envelope)
        return self.refusals.get("data", "250 OK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Start a server for an inbox and give its port; all are stopped at the end."""
    running: list[Controller] = []

    def start(inbox: Inbox, **options: Any) -> int:
        controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        running.append(controller)
        return controller.port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A fresh certificate for localhost, signed by itself, and a server's context that shows it."""
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", *options.split(), *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return cert, context


def alert(**headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Bellwether <alerts@larkmoor.example>"
    message["To"] = "somebody.else@larkmoor.example"
    message["Subject"] = "负面报道激增: Cyber and outage"
    for name, value in headers.items():
        message[name] = value
    message.set_content("12 articles, 1.3 expected. 十二篇。")
    return message


def plain(port: int, timeout: float = 2.0) -> Mailer:
    return Mailer("127.0.0.1", port, "none", timeout=timeout)


def test_send_reaches_the_recipient_alone(serve) -> None:
    inbox = Inbox()
    plain(serve(inbox)).send(alert(Cc="third@larkmoor.example"), RECIPIENT)
    (envelope,) = inbox.received
    assert envelope.rcpt_tos == [RECIPIENT]
    assert envelope.mail_from == "alerts@larkmoor.example"
    assert "十二篇" in message_from_bytes(envelope.content).get_payload(decode=True).decode()


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(("code", "error"), [(451, DeliveryDeferred), (550, DeliveryRefused)])
def test_send_refused_at_any_stage(serve, stage: str, code: int, error: type[Exception]) -> None:
    inbox = Inbox(**{stage: f"{code} not this one"})
    with pytest.raises(error, match=f"{code} not this one"):
        plain(serve(inbox)).send(alert(), RECIPIENT)
    assert inbox.received == []


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_send_to_a_server_that_closes_is_its_own_trouble(serve, stage: str) -> None:
    with pytest.raises(ServerUnreachable, match="421 shutting down"):
        plain(serve(Inbox(**{stage: "421 shutting down"}))).send(alert(), RECIPIENT)


def test_put_off_for_one_recipient_is_not_the_servers_trouble(serve) -> None:
    with pytest.raises(DeliveryDeferred) as caught:
        plain(serve(Inbox(rcpt="450 greylisted"))).send(alert(), RECIPIENT)
    assert not isinstance(caught.value, ServerUnreachable)


def test_send_to_a_server_that_hangs_at_the_recipient_is_deferred_in_time(serve) -> None:
    class Slow(Inbox):
        async def handle_RCPT(self, *_: Any) -> str:
            await asyncio.sleep(5)
            return "250 OK"

    with pytest.raises(DeliveryDeferred, match=r"0\.3 s") as caught:
        plain(serve(Slow()), timeout=0.3).send(alert(), RECIPIENT)
    assert not isinstance(caught.value, ServerUnreachable)


@pytest.mark.parametrize("goodbye", ["hang", "421 gone"])
def test_mail_that_was_taken_is_sent_whatever_the_server_says_at_parting(serve, goodbye: str) -> None:
    class Rude(Inbox):
        async def handle_QUIT(self, *_: Any) -> str:
            if goodbye == "hang":
                await asyncio.sleep(5)
            return goodbye

    inbox = Rude()
    plain(serve(inbox), timeout=0.5).send(alert(), RECIPIENT)
    assert len(inbox.received) == 1


def test_send_without_a_server_is_deferred() -> None:
    with pytest.raises(ServerUnreachable, match="BELLWETHER_SMTP_HOST"):
        plain(free_port()).send(alert(), RECIPIENT)


def test_send_to_an_unknown_host_is_deferred(monkeypatch) -> None:
    def unknown(*_args: Any, **_options: Any) -> None:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DeliveryDeferred, match="Name or service not known"):
        Mailer("smtp.nowhere.example", 25, "none", timeout=1).send(alert(), RECIPIENT)


def test_send_to_a_silent_server_is_deferred_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(DeliveryDeferred, match=r"0\.3 s"):
            plain(silent.getsockname()[1], timeout=0.3).send(alert(), RECIPIENT)
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("greeting", [b"554 go away\r\n", b"", b"garbage\r\n"])
def test_send_to_a_server_that_does_not_speak_is_deferred(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.sendall(greeting)
            connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(DeliveryDeferred):
            plain(server.getsockname()[1]).send(alert(), RECIPIENT)


@pytest.mark.parametrize("recipient", ["", "a@b.example\r\nRCPT TO:<c@d.example>"])
def test_send_to_an_impossible_recipient_is_refused(serve, recipient: str) -> None:
    inbox = Inbox()
    with pytest.raises(DeliveryRefused):
        plain(serve(inbox)).send(alert(), recipient)
    assert inbox.received == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_send_encrypted_to_a_trusted_server_with_sign_in(serve, certificate, monkeypatch, security: str) -> None:
    path, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    inbox, seen = Inbox(), []

    def authenticate(_server, _session, _envelope, _mechanism, data) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"secret", handled=False)

    tls = {"ssl_context": context} if security == "tls" else {"tls_context": context, "require_starttls": True}
    port = serve(inbox, authenticator=authenticate, auth_require_tls=security == "starttls", **tls)
    Mailer("localhost", port, security, "analyst", "secret", timeout=2).send(alert(), RECIPIENT)
    assert len(inbox.received) == 1
    assert seen[-1] == (b"analyst", b"secret")
    with pytest.raises(DeliveryDeferred, match="BELLWETHER_SMTP_PASSWORD"):
        Mailer("localhost", port, security, "analyst", "wrong", timeout=2).send(alert(), RECIPIENT)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_send_to_an_untrusted_certificate_is_deferred(serve, certificate, security: str) -> None:
    _, context = certificate
    inbox = Inbox()
    port = serve(inbox, **{"ssl_context" if security == "tls" else "tls_context": context})
    with pytest.raises(DeliveryDeferred, match=r"(?i)certificate"):
        Mailer("localhost", port, security, timeout=2).send(alert(), RECIPIENT)
    assert inbox.received == []


def test_send_never_falls_back_to_plain_text(serve) -> None:
    inbox = Inbox()
    with pytest.raises(DeliveryDeferred, match="STARTTLS"):
        Mailer("127.0.0.1", serve(inbox), "starttls", timeout=2).send(alert(), RECIPIENT)
    assert inbox.received == []
