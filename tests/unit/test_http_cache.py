"""What the headers of an answer promise and ask for."""

import httpx
import pytest

from app.integrations.http_cache import fresh_seconds, retry_after

DATE, LATER = "Wed, 01 May 2024 10:00:00 GMT", "Wed, 01 May 2024 10:10:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Cache-Control": "max-age=600"}, 600),
        ({"Cache-Control": 'public, MAX-AGE="600"', "Age": "100"}, 500),
        ({"Cache-Control": "s-maxage=900, max-age=60"}, 60),
        ({"Cache-Control": "s-maxage=900"}, 0),
        ({"Cache-Control": "max-age=600, no-cache"}, 0),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "max-age=60", "Age": "100"}, 0),
        ({"Cache-Control": "max-age=soon"}, 0),
        ({"Expires": LATER, "Date": DATE}, 600),
        ({"Expires": "0", "Date": DATE}, 0),
        ({"Expires": DATE, "Date": LATER}, 0),
        ({"Expires": LATER, "Date": DATE, "Cache-Control": "max-age=5"}, 5),
    ],
)
def test_fresh_seconds(headers: dict[str, str], seconds: float) -> None:
    assert fresh_seconds(httpx.Headers(headers)) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": LATER, "Date": DATE}, 600),
        ({"Retry-After": DATE, "Date": LATER}, 0),
        ({"Retry-After": LATER}, None),
        ({"Retry-After": "-5", "Date": DATE}, None),
        ({"Retry-After": "9" * 400}, 999_999_999),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx.Headers(headers)) == seconds
