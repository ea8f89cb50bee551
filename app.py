"""Start Bellwether: customers at /, analysts at /analyst, until Ctrl-C."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings, load_settings
from app.domain.errors import AppError, ConfigurationError, ModelError
from pipelines.command_line import EXIT_BAD_INPUT, quiet_libraries, show_progress

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.bootstrap import Services

log = logging.getLogger("bellwether")
SECONDS_TO_FINISH = 5  # for answers that are being written when the program is stopped
SECONDS_TO_SETTLE = 20  # before weights are packed: the first visitors come first


def parse_arguments() -> argparse.Namespace:
    """Options of the command line; every other setting is an environment variable (see README)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="address to listen on (BELLWETHER_HOST, default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (BELLWETHER_PORT, default 7860)")
    parser.add_argument("--data-dir", type=Path, help="database and index (BELLWETHER_DATA_DIR, default ./var)")
    parser.add_argument(
        "--scheduler", action=argparse.BooleanOptionalAction, default=None,
        help="fetch news, detect spikes and send mails in this process (BELLWETHER_SCHEDULER, default on)",
    )  # fmt: skip
    parser.add_argument(
        "--sample-data", action=argparse.BooleanOptionalAction, default=None,
        help="bring in the invented news at the first start (BELLWETHER_SAMPLE_DATA, default on)",
    )  # fmt: skip
    return parser.parse_args()


def main() -> None:
    """Take the port, compose, load the sample once, start the jobs, serve."""
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    quiet_libraries()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a supervisor as by Ctrl-C
    try:
        settings = load_settings(**vars(arguments))
        logging.getLogger().setLevel(settings.log_level)
        with take_port(settings.host, settings.port) as port:
            run(settings, port)
    except AppError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(EXIT_BAD_INPUT) from error
    except KeyboardInterrupt:
        log.info("Stopped.")


def take_port(host: str, port: int) -> socket.socket:
    """Bind the address before anything slow begins. Raises ConfigurationError when it is not to be had."""
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if os.name == "posix":
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise ConfigurationError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another with --host and --port."
        ) from error
    return taken


def run(settings: Settings, port: socket.socket) -> None:
    """Compose the services, serve them, close them."""
    # What a module consists of stays: looking through it for garbage over and over took a third of the start.
    gc.disable()
    from app.bootstrap import build_services  # takes seconds: only now that the arguments and the port are good
    from app.web import create_app

    gc.freeze()
    gc.enable()
    services = build_services(settings, show_progress)
    try:
        serve(services, create_app(services), port)
    finally:
        services.close()


def serve(services: "Services", web: "FastAPI", port: socket.socket) -> None:
    """Announce where things are, start what runs beside the pages, and serve them until interrupted."""
    import uvicorn

    settings = services.settings
    config = uvicorn.Config(web, log_level="warning", timeout_graceful_shutdown=SECONDS_TO_FINISH)
    logging.getLogger("uvicorn.error").addFilter(is_no_cancellation)
    password = services.accounts.ensure_first_account()
    host = "localhost" if settings.host in {"0.0.0.0", "127.0.0.1", "::"} else settings.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    lines = [f"Customers: {address}/", f"Analysts:  {address}/analyst"]
    if password:
        lines.append(f"Sign in as 'analyst' with the password  {password}  (shown this once; then choose your own)")
    print("\n  " + "\n  ".join(lines) + "\n", flush=True)  # noqa: T201
    services.knowledge.start()
    threading.Thread(target=begin_monitoring, args=[services], name="monitoring", daemon=True).start()
    uvicorn.Server(config).run(sockets=[port])


def is_no_cancellation(record: logging.LogRecord) -> bool:
    """False for the traceback of a page's stream that the end of the program has cut."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def begin_monitoring(services: "Services") -> None:
    """Bring in the sample news at the first start, start the jobs, pack weights; pages are served meanwhile."""
    from app.bootstrap import quicken

    settings = services.settings
    try:
        if settings.sample_data and (report := services.sample.load_once(log.info)):
            log.info("Sample news: %d articles, %d alerts.", report.new, report.alerts)
    except AppError as error:
        log.warning("The sample news was not loaded: %s", error)
    if settings.scheduler:
        services.scheduler.start()
    time.sleep(SECONDS_TO_SETTLE)
    with contextlib.suppress(ModelError):  # the program is ending
        quicken(services.models.responder)


if __name__ == "__main__":
    main()
