"""`python app.py` as an operator starts it: what it prints, that it serves, and how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = re.compile(r"password\s+(\S+)")
SECONDS_TO_START = 240  # on one busy core; a few otherwise


def command(*arguments: object) -> list[str]:
    return [sys.executable, "app.py", *map(str, arguments)]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Application:
    """A running `python app.py` with what it has printed so far."""

    def __init__(self, port: int, log: Path, *arguments: object) -> None:
        self.address, self._log = f"http://127.0.0.1:{port}", log
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                command("--port", port, "--no-scheduler", *arguments), cwd=ROOT, stdout=stream, stderr=stream
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait(self) -> None:
        """Until the pages are served."""
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            try:
                assert self.get("/healthz") is not None
                return
            except URLError:
                time.sleep(0.2)

    def get(self, path: str) -> bytes:
        with urlopen(self.address + path, timeout=30) as answer:
            assert answer.status == 200
            return bytes(answer.read())

    def stop(self) -> float:
        """Terminate it; returns the seconds that this took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        return time.monotonic() - started


@pytest.fixture
def start(tiny_environment: Path, tmp_path: Path) -> Iterator:
    @contextmanager
    def start(*arguments: object) -> Iterator[Application]:
        application = Application(free_port(), tmp_path / "output.log", "--data-dir", tiny_environment, *arguments)
        try:
            application.wait()
            yield application
        finally:
            application.process.kill()
            application.process.wait()

    return start


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_application_serves_and_ends_and_shows_its_password_once(start, tiny_environment: Path) -> None:
    with start("--sample-data") as first:
        assert json.loads(first.get("/healthz"))
        assert b"Larkmoor" in first.get("/")
        assert PASSWORD.search(first.output)
        assert f"Customers: http://localhost:{first.address.rsplit(':')[-1]}/" in first.output
        # An open page holds a stream that never ends by itself.
        page = socket.create_connection(("127.0.0.1", int(first.address.rsplit(":")[-1])))
        page.sendall(b"GET /gradio_api/heartbeat/visitor HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert page.recv(15) == b"HTTP/1.1 200 OK"
        assert first.stop() < 10
        page.close()
        assert first.process.returncode == 0
        assert "Traceback" not in first.output
    assert (tiny_environment / "bellwether.db").exists()
    with start("--no-sample-data") as second:
        assert "Customers:" in second.output
        assert not PASSWORD.search(second.output)
        assert second.stop() < 10


@pytest.mark.parametrize("trouble", ["busy port", "unknown host", "data directory", "setting"])
def test_application_says_in_one_line_why_it_cannot_start(
    tiny_environment: Path, tmp_path: Path, trouble: str
) -> None:
    (tmp_path / "file").write_text("")
    arguments: list[object] = ["--port", free_port(), "--data-dir", tiny_environment, "--no-scheduler"]
    expected = "Cannot listen on"
    with socket.create_server(("127.0.0.1", 0)) as busy:
        if trouble == "busy port":
            arguments[1] = busy.getsockname()[1]
        elif trouble == "unknown host":
            arguments += ["--host", "999.1.1.1"]
        elif trouble == "data directory":
            arguments[3], expected = tmp_path / "file" / "data", "BELLWETHER_DATA_DIR"
        else:
            arguments[1], expected = 99999, "BELLWETHER_PORT"
        ran = run(*arguments)
    assert ran.returncode == 2
    assert ran.stdout == ""
    (line,) = [line for line in ran.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith("error: ")
    assert expected in line
    assert "Traceback" not in ran.stderr
    assert not (tiny_environment / "index").exists()


def test_application_lists_its_options() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    for option in ("--host", "--port", "--data-dir", "--scheduler", "--no-scheduler", "--sample-data"):
        assert option in ran.stdout
    assert "(default: None)" not in ran.stdout
