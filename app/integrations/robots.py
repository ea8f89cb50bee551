"""What a site's robots.txt asks of us (RFC 9309), kept for an hour."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from protego import Protego

from app.domain.errors import AddressRefused, FetchFailed, SourceBusy, SourceError

MAX_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 KiB must be read
_KEPT_SECONDS = 3600.0
_STALE_SECONDS = 86_400.0  # section 2.4: longer only while the file cannot be reached
_SITES = 1000


@dataclass(frozen=True)
class _Rules:
    read_at: float
    parsed: Protego | None  # None: the site has none


class Robots:
    """The rules of sites for one agent; `load` fetches a robots.txt. Safe to share between threads.

    A site without the file (4xx) allows everything. One whose file cannot be reached allows nothing for the
    time being (section 2.3.1.4), unless its rules of the last day are known.
    """

    def __init__(
        self, load: Callable[[str], bytes], user_agent: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._load, self._now = load, now
        self._agent = user_agent.partition("/")[0].strip()
        self._rules: dict[str, _Rules] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def check(self, site: str, url: str) -> None:
        """Raises FetchFailed where `url` of `site` (scheme and host) is not to be read, SourceBusy for now."""
        rules = self._of(site)
        if rules and not rules.can_fetch(url, self._agent):
            raise FetchFailed(
                f"{site} asks robots not to read {url.removeprefix(site)[:200]} (robots.txt). Remove the source."
            )

    def crawl_delay(self, site: str) -> float:
        """Seconds that `site` wants between two requests; 0 where it asks for none or was never asked."""
        known = self._rules.get(site)
        delay = known.parsed.crawl_delay(self._agent) if known and known.parsed else None
        return max(0.0, float(delay or 0.0))

    def _of(self, site: str) -> Protego | None:
        known = self._rules.get(site)
        if known and self._now() - known.read_at < _KEPT_SECONDS:
            return known.parsed
        with self._lock:
            lock = self._locks.setdefault(site, threading.Lock())
        with lock:
            known = self._rules.get(site)
            if known and self._now() - known.read_at < _KEPT_SECONDS:
                return known.parsed
            return self._read(site, known)

    def _read(self, site: str, known: _Rules | None) -> Protego | None:
        try:
            text = self._load(f"{site}/robots.txt").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
            parsed = Protego.parse(text)
        except AddressRefused:
            raise
        except SourceBusy as error:
            if known and self._now() - known.read_at < _STALE_SECONDS:
                return known.parsed
            raise SourceBusy(
                f"The robots.txt of {site} could not be read, so nothing else is either: {error}", error.seconds
            ) from error
        except SourceError:
            parsed = None
        with self._lock:
            if len(self._rules) >= _SITES:
                self._rules.clear()
                self._locks.clear()
        self._rules[site] = _Rules(self._now(), parsed)
        return parsed
