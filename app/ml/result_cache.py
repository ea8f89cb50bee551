"""What was classified before, by content."""

import hashlib
import json
import threading
from collections import OrderedDict

from app.domain.news import Classification, Excerpt


def content_key(excerpt: Excerpt) -> str:
    """SHA-256 of text, entity and style, as hex."""
    content = json.dumps([excerpt.text, excerpt.entity, excerpt.style])  # ASCII, so that no character can fail
    return hashlib.sha256(content.encode()).hexdigest()


class ResultCache:
    """The results used last, at most `capacity` of them. Safe to share between threads."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._results: OrderedDict[str, Classification] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._results)

    def get(self, key: str) -> Classification | None:
        """The result kept under a key, which thereby becomes the last to go."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: str, result: Classification) -> None:
        """Keep a result; the one that was unused for longest makes room."""
        with self._lock:
            self._results[key] = result
            self._results.move_to_end(key)
            while len(self._results) > self.capacity:
                self._results.popitem(last=False)
