"""What every command shares: the backbone options, progress on standard error, errors as one line."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from app.config import Settings, load_settings
from app.domain.errors import AppError, InvalidInput

EXIT_BAD_INPUT = 2


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser with the options that choose the backbone."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument(
        "--backbone", help="base model: package:NAME, a folder, a .gguf file or owner/name[@revision]"
    )
    result.add_argument("--threads", type=int, help="processor threads for the model")
    return result


def settings_of(arguments: argparse.Namespace, **overrides: Any) -> Settings:
    """The settings of the environment, with the command's options over them."""
    return load_settings(backbone=arguments.backbone, threads=arguments.threads, **overrides)


def run(main: Callable[[], None]) -> None:
    """Run a command: logs and progress to standard error, an AppError or OSError as one line and exit code 2."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    quiet_libraries()
    try:
        main()
    except BrokenPipeError:
        sys.stderr.close()
    except (AppError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT) from error
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


def quiet_libraries() -> None:
    """Keep libraries from reporting what goes as it should."""
    for noisy in ("httpx", "jieba", "bm25s", "faiss", "filelock"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def show_progress(what: str, done: float) -> None:
    """A progress bar of one line on standard error."""
    width = 24
    filled = round(width * done)
    end = "\n" if done >= 1 else ""
    print(
        f"\r{what:<48} [{'#' * filled}{'.' * (width - filled)}] {done:4.0%}", end=end, file=sys.stderr, flush=True
    )


def print_json(value: Any) -> None:
    """One JSON line on standard output, at once."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def read_lines(source: str) -> Iterable[tuple[str, str]]:
    """(where, line) for each line of a file or of standard input ('-'). Raises InvalidInput."""
    name = "standard input" if source == "-" else source
    if source != "-" and not Path(source).is_file():
        raise InvalidInput(f"There is no file {source}.")
    try:
        with nullcontext(sys.stdin) if source == "-" else open(source, encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                yield f"{name}, line {number}", line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 text (byte {error.start}).") from error
