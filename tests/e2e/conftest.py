"""A browser, a server on loopback, and pages that may talk to nobody else."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI

CHROMIUM = Path("/usr/bin/chromium")
_PATIENCE_MS = 30_000  # a page load takes seconds where the processor is shared
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:  # noqa: F821 - playwright is imported only where there is a browser
    """Headless Chromium, one for the whole run."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=_PATIENCE_MS)
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """Opens an address as a new visitor. Fails the test if a page called a foreign host or threw an error."""
    contexts, complaints = [], []

    def check(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            complaints.append(f"foreign host: {address}")

    def open_page(address: str, locale: str = "en-GB", width: int = 1280, dark: bool = False):
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": 844},
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: check(request.url))
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve `app` on a free port of loopback, in a thread; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[FastAPI], str]]:
    """`serving` for as long as the run lasts."""
    from contextlib import ExitStack

    with ExitStack() as servers:
        yield lambda app: servers.enter_context(serving(app))
