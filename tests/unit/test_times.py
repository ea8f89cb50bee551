"""Times as they are written."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.integrations.times import names_zone, plausible, read_time

SHANGHAI = ZoneInfo("Asia/Shanghai")
TEN, TWO = datetime(2024, 5, 1, 10, tzinfo=UTC), datetime(2024, 5, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20240501T100000Z", TEN),
        ("2024-05-01T10:00:00+00:00", TEN),
        ("Wed, 01 May 2024 10:00:00 GMT", TEN),
        ("2024-05-01 10:00:00", TWO),
        ("2024-5-1 10:00", TWO),
        ("2024/05/01 10:00 +00:00", TEN),
        ("2024年5月1日10:00", TWO),
        ("Wed, 01 May 2024 10:00:00", TWO),
        (1714557600, TEN),
        ("1714557600", TEN),
        (1714557600000, TEN),
        (1714557600.0, TEN),
        ("soon", None),
        ("2024/13/41", None),
        (True, None),
        (None, None),
        ({}, None),
        (float("inf"), None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_read_time_takes_what_programs_write(value: Any, expected: datetime | None) -> None:
    assert read_time(value, SHANGHAI) == expected


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), None])
def test_plausible_drops_dates_that_were_never_filled_in(moment: datetime | None) -> None:
    assert plausible(moment) is None
    assert plausible(TEN) == TEN


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Wed, 01 May 2024 10:00:00 GMT", True),
        ("Wed, 01 May 2024 10:00:00 +0800 (CST)", True),
        ("2024-05-01T10:00:00Z", True),
        ("Wed, 01 May 2024 10:00:00", False),
        ("2024-05-01", False),
    ],
)
def test_names_zone(written: str, expected: bool) -> None:
    assert names_zone(written) is expected
