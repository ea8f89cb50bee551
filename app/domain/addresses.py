"""The one address under which an article is known, whatever decorates the link that led to it."""

import hashlib
import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

_MAX_URL = 2000
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|twclid|ttclid|igshid|mc_cid|mc_eid|_hsenc|_hsmi|mkt_tok|spm",
    re.IGNORECASE,
)
_AMP = {"amp=1", "amp=true", "outputtype=amp", "amp"}  # parameters that ask for the fast variant of a page
_MEANINGFUL_FRAGMENT = re.compile(r"[/!].*|[0-9a-f]{16,}")  # a route of a web application, or an entry without link
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL and UTF-8 have no place for them
_PORTS = {"http": "80", "https": "443"}
_CODED = re.compile(r"%[0-9a-fA-F]{2}")


def storable(text: str) -> str:
    """Text without what a database cannot hold."""
    return _UNSTORABLE.sub("", text)


def canonical_url(url: str) -> str:
    """The address under which an article is known.

    What certainly leads to the same page is made equal: letter case, default port and closing dot of the host,
    case of percent codes (RFC 3986, 6.2), anchors, tracking parameters, the copies in Google's AMP cache. The
    parameters are sorted where each has a name of its own.
    """
    parts = _without_amp_cache(urlsplit(storable(url.strip())))
    fragment = parts.fragment if _MEANINGFUL_FRAGMENT.fullmatch(parts.fragment) else ""
    scheme = parts.scheme.lower()
    path = _CODED.sub(lambda code: code[0].upper(), parts.path)
    if not path and scheme in _PORTS:
        path = "/"
    address = urlunsplit((scheme, _host(parts), path, _query(parts.query), fragment))
    if len(address) <= _MAX_URL:
        return address
    digest = hashlib.sha256(address.encode()).hexdigest()[:32]
    return f"{address[: _MAX_URL - len(digest) - 1]}#{digest}"


def _host(parts: SplitResult) -> str:
    user, at, host = parts.netloc.rpartition("@")
    name, colon, port = host.lower().partition(":") if "[" not in host else (host.lower(), "", "")
    if port == _PORTS.get(parts.scheme.lower(), "") or not port:
        colon = port = ""
    return f"{user}{at}{name.removesuffix('.')}{colon}{port}"


def _query(query: str) -> str:
    kept = [
        part
        for part in query.split("&")
        if part and not _TRACKING.fullmatch(part.partition("=")[0]) and part.lower() not in _AMP
    ]
    names = [part.partition("=")[0] for part in kept if "=" in part]
    return "&".join(sorted(kept) if len(set(names)) == len(kept) else kept)


def _without_amp_cache(parts: SplitResult) -> SplitResult:
    """https://www.google.com/amp/s/HOST/PATH and https://NAME.cdn.ampproject.org/c/s/HOST/PATH are HOST's page."""
    host = parts.netloc.lower()
    prefix = r"/amp/(s/)?" if re.fullmatch(r"(?:www\.)?google\.[a-z.]+", host) else r"/[cv]/(s/)?"
    if not (host.endswith(".cdn.ampproject.org") or prefix.startswith("/amp")):
        return parts
    found = re.fullmatch(prefix + r"([\w-]+(?:\.[\w-]+)+)(/.*)?", parts.path)
    if not found:
        return parts
    scheme = "https" if found[1] else "http"
    return SplitResult(scheme, found[2], found[3] or "/", parts.query, parts.fragment)
