"""Articles that other programs send instead of waiting to be visited."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.news import FeedItem
from app.services.ingestion import Ingestion
from app.storage.sources import Sources


class Pushing:
    """Stores what is sent, under a source of the sender's own."""

    def __init__(self, sources: Sources, ingestion: Ingestion, clock: Callable[[], datetime]) -> None:
        self._sources, self._ingestion, self._clock = sources, ingestion, clock

    def take(self, sender: str, items: Sequence[FeedItem]) -> tuple[int, int]:
        """Store articles; return how many are new and how many known or repeated.

        Sending the same again changes nothing: an article is known by its address, one without by its words.
        """
        source = self._sources.pushed(sender)
        addressed = [item if item.url else replace(item, url=_address(source.url, item)) for item in items]
        counts = self._ingestion.store(addressed, source)
        self._sources.record_success(source.id, self._clock(), len(items))
        return counts


def _address(base: str, item: FeedItem) -> str:
    words = f"{item.title}\n{item.text}".encode("utf-8", "ignore")
    return f"{base}#{hashlib.sha256(words).hexdigest()[:32]}"
