"""The picture of an alert: its size, and what colours are where."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from app.domain.expected import ExpectedPoint
from app.integrations.chart_image import draw_negatives

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
RED, GREY = (217, 84, 30), (133, 146, 166)


def drawn(points: list[ExpectedPoint], hours: int = 1, zone: str = "Asia/Shanghai") -> Image.Image:
    png = draw_negatives(points, hours, NOW - timedelta(hours=2), NOW, zone)
    assert png.startswith(b"\x89PNG")
    return Image.open(io.BytesIO(png)).convert("RGBA")


def columns_of(picture: Image.Image, colour: tuple[int, int, int]) -> list[int]:
    """Where on the horizontal axis a colour is found."""
    pixels = picture.load()
    assert pixels is not None
    width, height = picture.size
    return [x for x in range(width) if sum(pixels[x, y][:3] == colour for y in range(height)) > 20]


def test_picture_shows_the_burst_in_red_at_its_time_on_clear_ground() -> None:
    points = [ExpectedPoint(NOW - timedelta(hours=h), 9 if h < 3 else h % 2, 0.5, 2) for h in range(59, -1, -1)]
    picture = drawn(points)
    assert picture.size == (1200, 480)
    assert picture.getpixel((600, 2))[3] == 0, "clear ground"  # type: ignore[index]
    red, grey = columns_of(picture, RED), columns_of(picture, GREY)
    assert red
    assert min(red) > 0.9 * picture.width
    assert min(grey) < 0.2 * picture.width


@pytest.mark.parametrize("hours", [3, 24])
def test_picture_of_longer_spans_and_of_a_quiet_series(hours: int) -> None:
    points = [ExpectedPoint(NOW - n * timedelta(hours=hours), 0, 0.0, 0) for n in range(28, -1, -1)]
    assert columns_of(drawn(points, hours, "UTC"), RED) == []
