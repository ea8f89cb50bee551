"""The part of the composition root that the operations page stands on."""

import platform
import tomllib
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from app.config import ROOT, Settings, load_settings
from app.domain.errors import ConfigurationError
from app.integrations.documents import read_document
from app.services.adapters import Adapters
from app.services.background import Background
from app.services.knowledge_files import KnowledgeFiles
from app.services.operations import Operations
from app.storage.database import Database
from app.storage.operations import OperationsRows

_PACKAGES = ("torch", "transformers", "peft", "faiss-cpu", "gradio", "fastapi", "sqlalchemy", "apscheduler")
_BACKBONE = "backbone:"  # how an embedder on the backbone is written in the settings


def build_operations(
    settings: Settings, database: Database, backbone_revision: str, clock: Callable[[], datetime]
) -> Operations:
    """Compose it."""
    rows = OperationsRows(database)
    return Operations(
        rows,
        KnowledgeFiles(settings.knowledge_dir, read_document, clock, rows.note),
        Adapters(settings.promoted_dir, adapters_of(settings), shipped_adapters(), clock, rows.note),
        Background(),
        versions(backbone_revision),
        sources_of_settings(settings),
        clock,
    )


def adapters_of(settings: Settings) -> dict[str, Path | None]:
    """The folder of each task's adapter; None where there is none."""
    return {
        "sentiment": settings.sentiment_adapter,
        "responder": settings.responder_adapter,
        "judge": settings.judge_adapter,
        "embedder": _embedder_folder(settings.embedder),
    }


def shipped_adapters() -> dict[str, Path | None]:
    """The same for the settings as they ship."""
    fields = Settings.model_fields
    tasks = ("sentiment", "responder", "judge")
    shipped: dict[str, Path | None] = {task: fields[f"{task}_adapter"].default for task in tasks}
    return {**shipped, "embedder": _embedder_folder(fields["embedder"].default)}


def versions(backbone_revision: str) -> dict[str, str]:
    """Of the program, the interpreter, the libraries that compute, and the backbone."""
    found = {"Bellwether": _own_version(), "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "backbone revision": backbone_revision}


def sources_of_settings(settings: Settings) -> dict[str, str]:
    """Where each setting's value comes from: default, .env, environment, command line, or a promoted adapter."""
    in_environment, in_file = EnvSettingsSource(Settings)(), DotEnvSettingsSource(Settings)()
    outside = _from_outside()
    found = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if str(settings.promoted_dir) in str(value) and name not in ("data_dir", "database_url"):
            found[name] = "promoted adapter"
        elif name not in settings.model_fields_set:
            found[name] = "default"
        elif outside is not None and getattr(outside, name) != value:
            found[name] = "command line"
        elif name in in_environment:
            found[name] = "environment"
        else:
            found[name] = ".env" if name in in_file else "command line"
    return found


def _from_outside() -> Settings | None:
    """What environment and .env alone would give; None where that is no valid whole."""
    try:
        return load_settings(promoted=False)
    except ConfigurationError:
        return None


def _embedder_folder(embedder: str) -> Path | None:
    return Path(embedder.removeprefix(_BACKBONE)) if embedder.startswith(_BACKBONE) else None


def _own_version() -> str:
    try:
        return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])
    except (OSError, KeyError, ValueError):
        return "unknown"
