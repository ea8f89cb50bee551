"""The fetcher against a real HTTP server on loopback."""

import gzip
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from app.domain.errors import AddressRefused, FetchFailed, SourceBusy
from app.integrations.feeds import parse_feed
from app.integrations.fetcher import Fetcher
from app.integrations.folder import LocalFiles
from app.integrations.guarded_network import is_public
from app.integrations.host_limits import HostLimits

MEGABYTE = 1_000_000
FEED = '<rss version="2.0"><channel><item><title>铜线银行服务中断</title></item></channel></rss>'


class Site(BaseHTTPRequestHandler):
    """Every way in which a site can answer, by path."""

    visits: Counter[str]
    robots: str
    robots_status: int = 200
    sent: int

    def do_GET(self) -> None:
        self.visits[self.path] += 1
        name = self.path.strip("/").replace(".", "_").replace("-", "_").partition("/")[0]
        getattr(self, f"get_{name}")()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def get_robots_txt(self) -> None:
        self.answer(self.robots_status if self.robots else 404, self.robots.encode())

    def get_feed(self) -> None:
        self.answer(
            200, FEED.encode(), Content_Type="text/xml", ETag='"v1"', Last_Modified="Wed, 01 May 2024 10:00:00 GMT"
        )

    def get_chinese(self) -> None:
        self.answer(200, FEED.encode("gb18030"), Content_Type="text/xml; charset=gb2312")

    def get_conditional(self) -> None:
        seen = self.headers["If-None-Match"] == '"v1"' and self.headers["If-Modified-Since"] == "yesterday"
        self.answer(304 if seen else 200, ETag='"v1"')

    def get_missing(self) -> None:
        self.answer(404)

    def get_forbidden(self) -> None:
        self.answer(403)

    def get_busy_once(self) -> None:
        first = self.visits[self.path] == 1
        self.answer(503 if first else 200, b"ok", Retry_After="7")

    def get_busy_long(self) -> None:
        date, later = "Wed, 01 May 2024 10:00:00 GMT", "Wed, 01 May 2024 12:00:00 GMT"
        self.send_response_only(503)
        self.send_header("Date", date)
        self.send_header("Retry-After", later)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def get_limited_once(self) -> None:
        self.answer(429 if self.visits[self.path] == 1 else 200, b"ok")

    def get_failing(self) -> None:
        self.answer(500)

    def get_picture(self) -> None:
        self.answer(200, b"<rss>", Content_Type="Image/PNG")

    def get_document(self) -> None:
        self.answer(200, b"%PDF-1.7", Content_Type="application/pdf")

    def get_fresh(self) -> None:
        self.answer(200, b"ok", Cache_Control="public, max-age=600", Age="60")

    def get_silent(self) -> None:
        time.sleep(0.8)

    def get_slow_headers(self) -> None:
        self.trickle(b"HTTP/1.0 200 OK\r\nX-Long: " + b"a" * 100)

    def get_slow_body(self) -> None:
        self.trickle(b"HTTP/1.0 200 OK\r\n\r\n", 0)
        self.trickle(b"x" * 100)

    def trickle(self, data: bytes, pause: float = 0.1) -> None:
        try:
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(pause)
        except OSError:
            pass

    def get_endless(self) -> None:
        self.stream(b"x" * 65_536, 50 * MEGABYTE)

    def get_announced(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(50 * MEGABYTE))
        self.end_headers()
        self.stream(b"x" * 65_536, 50 * MEGABYTE, header=False)

    def stream(self, block: bytes, total: int, header: bool = True) -> None:
        if header:
            self.send_response(200)
            self.end_headers()
        try:
            for _ in range(total // len(block)):
                self.wfile.write(block)
                type(self).sent += len(block)
        except OSError:
            pass

    def get_bomb(self) -> None:
        self.answer(200, BOMB, Content_Encoding="gzip")

    def get_zipped(self) -> None:
        self.answer(200, gzip.compress(b"hello " * 100), Content_Encoding="gzip")

    def get_cut_zip(self) -> None:
        self.answer(200, gzip.compress(b"hello " * 100)[:-12], Content_Encoding="gzip")

    def get_bad_zip(self) -> None:
        self.answer(200, b"not gzip at all", Content_Encoding="gzip")

    def get_brotli(self) -> None:
        self.answer(200, b"\x0b\x02\x80hello\x03", Content_Encoding="br")

    def get_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")

    def get_loop(self) -> None:
        self.answer(302, Location="/loop")

    def get_moved(self) -> None:
        self.answer(301, Location="../feed#top")

    def get_to_file(self) -> None:
        self.answer(302, Location="file:///etc/hostname")

    def get_to_nowhere(self) -> None:
        self.answer(302, Location="http://[::bad")

    def log_message(self, *_: object) -> None:
        pass


def make_bomb() -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(50):
            file.write(bytes(MEGABYTE))
    return packed.getvalue()


BOMB = make_bomb()


@pytest.fixture
def site() -> Iterator[type[Site]]:
    """A running site; `site.url` is its address."""
    handler = type("RunningSite", (Site,), {"visits": Counter(), "robots": "", "sent": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    yield handler
    server.shutdown()
    server.socket.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def fetcher(waits: list[float]) -> Fetcher:
    return Fetcher(0.5, MEGABYTE, allow_private_addresses=True, sleep=waits.append)


def test_fetch_gives_body_and_validators(site, fetcher) -> None:
    fetched = fetcher.fetch(f"{site.url}/feed")
    assert (fetched.url, fetched.status, fetched.content) == (f"{site.url}/feed", 200, FEED.encode())
    assert (fetched.content_type, fetched.etag) == ("text/xml", '"v1"')
    assert fetched.last_modified == "Wed, 01 May 2024 10:00:00 GMT"
    assert not fetched.not_modified


def test_fetch_keeps_the_charset_for_the_parser(site, fetcher) -> None:
    fetched = fetcher.fetch(f"{site.url}/chinese")
    (item,) = parse_feed(fetched.content, fetched.content_type, fetched.url)
    assert item.title == "铜线银行服务中断"


def test_fetch_not_modified(site, fetcher) -> None:
    fetched = fetcher.fetch(f"{site.url}/conditional", '"v1"', "yesterday")
    assert fetched.not_modified
    assert (fetched.content, fetched.etag) == (b"", '"v1"')


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "does not exist .404 Not Found"),
        ("forbidden", "permission .403"),
        ("silent", "not complete within 0.5 s"),
        ("slow-headers", "not complete within 0.5 s"),
        ("slow-body", "not complete within 0.5 s"),
        ("loop", "more than 5 redirects"),
        ("to-nowhere", "invalid address"),
        ("bomb", "larger than 1,000,000 bytes"),
        ("endless", "larger than 1,000,000 bytes"),
        ("announced", "larger than 1,000,000 bytes"),
        ("cut", "broke off"),
        ("cut-zip", "broke off"),
        ("bad-zip", "damaged"),
        ("brotli", "'br', which was not asked for"),
        ("failing", "unavailable at the moment .500 Internal Server Error"),
        ("picture", "'Image/PNG', which holds no news"),
        ("document", "'application/pdf', which holds no news"),
    ],
)
def test_fetch_failure_says_what_happened(site, fetcher, path: str, reason: str) -> None:
    begun = time.monotonic()
    with pytest.raises(FetchFailed, match=reason):
        fetcher.fetch(f"{site.url}/{path}")
    assert time.monotonic() - begun < 0.9
    assert site.sent < 20 * MEGABYTE


def test_fetch_gzip(site, fetcher) -> None:
    assert fetcher.fetch(f"{site.url}/zipped").content == b"hello " * 100


def test_fetch_follows_redirects_to_the_final_address(site, fetcher) -> None:
    assert fetcher.fetch(f"{site.url}/moved/here").url.startswith(f"{site.url}/feed")


def test_fetch_busy_server_is_tried_again_after_the_time_it_asks_for(site, fetcher, waits) -> None:
    assert fetcher.fetch(f"{site.url}/busy-once").content == b"ok"
    assert waits == [7.0]


def test_fetch_server_that_asks_for_hours_is_not_waited_for(site, fetcher, waits) -> None:
    with pytest.raises(SourceBusy, match="come back in 7200 s") as failure:
        fetcher.fetch(f"{site.url}/busy-long")
    assert failure.value.seconds == 7200
    assert waits == []


def test_fetch_limited_without_a_time_is_tried_again_after_a_pause(site, fetcher, waits) -> None:
    assert fetcher.fetch(f"{site.url}/limited-once").content == b"ok"
    assert len(waits) == 1


def test_fetch_slow_server_is_not_asked_again(site, fetcher) -> None:
    with pytest.raises(SourceBusy, match="not complete"):
        fetcher.fetch(f"{site.url}/silent")
    assert site.visits["/silent"] == 1


def test_fetch_tells_how_long_an_answer_stays_fresh(site, fetcher) -> None:
    assert fetcher.fetch(f"{site.url}/fresh").fresh_seconds == 540
    assert fetcher.fetch(f"{site.url}/feed").fresh_seconds == 0


def test_fetch_while_robots_txt_is_out_of_reach_reads_nothing_else(site, fetcher) -> None:
    site.robots, site.robots_status = "User-agent: *\nAllow: /", 503
    with pytest.raises(SourceBusy, match=r"robots\.txt"):
        fetcher.fetch(f"{site.url}/feed")
    assert site.visits["/feed"] == 0
    site.robots_status = 200
    assert fetcher.fetch(f"{site.url}/feed").status == 200


def test_fetch_endless_robots_txt_is_read_as_far_as_it_must(site, fetcher) -> None:
    site.robots = "User-agent: *\nDisallow: /missing\n" + "# comment\n" * 100_000
    with pytest.raises(FetchFailed, match="not to read /missing"):
        fetcher.fetch(f"{site.url}/missing")


def test_fetch_ignoring_robots_txt_does_not_ask_for_it(site, fetcher) -> None:
    site.robots = "User-agent: *\nDisallow: /"
    assert fetcher.fetch(f"{site.url}/feed", ignore_robots=True).status == 200
    assert site.visits["/robots.txt"] == 0


def test_fetch_redirect_asks_the_robots_txt_of_where_it_leads(site, fetcher) -> None:
    site.robots = "User-agent: *\nDisallow: /feed"
    with pytest.raises(FetchFailed, match="not to read /feed"):
        fetcher.fetch(f"{site.url}/moved/here")


def test_fetch_keeps_the_pause_that_robots_txt_asks_for(site) -> None:
    site.robots, slept = "User-agent: *\nCrawl-delay: 9", []
    ticks = iter(range(1000))
    hosts = HostLimits(now=lambda: 0.001 * next(ticks), sleep=slept.append)
    fetcher = Fetcher(0.5, MEGABYTE, allow_private_addresses=True, hosts=hosts)
    for _ in range(2):
        fetcher.fetch(f"{site.url}/feed")
    assert [round(seconds) for seconds in slept] == [9]


def test_fetch_refused_connection_is_tried_three_times_with_growing_pauses(site, fetcher, waits) -> None:
    with pytest.raises(SourceBusy, match="could not be reached"):
        fetcher.fetch("http://127.0.0.1:1/feed")
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2


def test_fetch_disallowed_by_robots_asks_once_an_hour(site, fetcher) -> None:
    site.robots = "User-agent: bellwether\nDisallow: /missing\n\nUser-agent: *\nDisallow: /feed\n"
    for _ in range(2):
        with pytest.raises(FetchFailed, match=r"robots\.txt"):
            fetcher.fetch(f"{site.url}/missing")
    assert fetcher.fetch(f"{site.url}/feed").status == 200
    assert site.visits == {"/robots.txt": 1, "/feed": 1}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]/x", "http://2130706433/x"]
)
def test_fetch_private_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused, match="private network"):
        Fetcher(0.5, MEGABYTE, allow_private_addresses=False).fetch(url)


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "file:///etc/hostname", "feed", "", "http://", "http://[::bad/"]
)
def test_fetch_other_schemes_and_bad_addresses_are_refused(url: str, fetcher) -> None:
    with pytest.raises(AddressRefused):
        fetcher.fetch(url)


def test_fetch_redirect_to_a_private_address_is_refused(site, monkeypatch) -> None:
    """The site itself counts as public here; the place that it redirects to does not."""
    monkeypatch.setattr("app.integrations.guarded_network.is_public", lambda address: address == "127.0.0.1")
    site.get_away = lambda self: self.answer(302, Location="http://127.0.0.2:80/secret")
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.2"):
        Fetcher(0.5, MEGABYTE, allow_private_addresses=False).fetch(f"{site.url}/away")


def test_fetch_redirect_to_a_file_is_refused(site) -> None:
    with pytest.raises(AddressRefused, match="only http"):
        Fetcher(0.5, MEGABYTE, allow_private_addresses=True, files=LocalFiles(True)).fetch(f"{site.url}/to-file")


def test_fetch_connects_to_the_address_that_was_checked(site, monkeypatch) -> None:
    """A name is resolved once a connection: there is no second answer that could differ."""
    port, asked = int(site.url.rpartition(":")[2]), []

    def resolve(host, *_args, **_options):
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("app.integrations.guarded_network.socket.getaddrinfo", resolve)
    fetched = Fetcher(0.5, MEGABYTE, allow_private_addresses=True).fetch(f"http://news.example:{port}/feed")
    assert fetched.status == 200
    assert asked.count("news.example") == 2  # robots.txt, feed
    assert set(asked) == {"news.example", "127.0.0.1"}


def test_fetch_file_only_when_allowed(tmp_path: Path) -> None:
    path = tmp_path / "sample feed.xml"
    path.write_bytes(FEED.encode())
    fetcher = Fetcher(0.5, 1000, allow_private_addresses=False, files=LocalFiles(True))
    assert fetcher.fetch(path.as_uri()).content == FEED.encode()
    with pytest.raises(FetchFailed, match="cannot be read"):
        fetcher.fetch((tmp_path / "none.xml").as_uri())
    with pytest.raises(FetchFailed, match="larger than"):
        Fetcher(0.5, 10, allow_private_addresses=False, files=LocalFiles(True)).fetch(path.as_uri())


def test_fetch_through_a_transport_of_the_caller() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=request.url.path.encode()))
    fetcher = Fetcher(0.5, MEGABYTE, allow_private_addresses=False, transport=transport)
    assert fetcher.fetch("https://news.example/a").content == b"/a"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("64:ff9b::5db8:d822", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public
