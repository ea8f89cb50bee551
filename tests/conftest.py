"""The tiny backbone, built once for a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest


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
