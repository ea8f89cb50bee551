"""Open a classifier that was trained here, whichever method made it."""

from pathlib import Path
from typing import Any

from app.bootstrap import load_backbone
from app.config import Settings
from app.ml.backbone import read_metadata
from app.ml.sentiment import ADAPTER, SentimentClassifier
from app.ml.topics import topics_of
from pipelines import command_line


def open_classifier(settings: Settings, folder: Path | None) -> tuple[SentimentClassifier, dict[str, Any]]:
    """The classifier in `folder`, an adapter or a whole model, with its metadata; None is the bare backbone.

    Raises AdapterMismatch or BackboneUnavailable.
    """
    whole = folder and (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file()
    if whole:
        settings = settings.model_copy(update={"backbone": str(folder)})
    backbone = load_backbone(settings, command_line.show_progress)
    metadata: dict[str, Any] = {}
    if folder:
        metadata = read_metadata(folder) if whole else backbone.load_adapter(ADAPTER, folder)
    adapter = ADAPTER if folder and not whole else None
    classifier = SentimentClassifier(
        backbone, adapter, topics=tuple(topics_of(metadata)), batch_tokens=settings.batch_tokens
    )
    return classifier, metadata
