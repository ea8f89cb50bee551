"""A picture of an alert for a mail: negatives in each hour or day against what is usual. No words, only figures.

Without words it needs no font beyond those that come with matplotlib, in whatever language the mail is. The
ground is clear and the ink of middle lightness, so that it can be read on white and on black.
"""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.expected import ExpectedPoint

_NEGATIVE, _PLAIN, _INK = "#d9541e", "#8592a6", "#7b8798"  # as on the dashboard
_BAND = "#2f7bbd"
_WIDTH, _HEIGHT, _DPI = 480, 192, 240  # in pixels of 1/96 inch: labels can be read where 340 of them are shown


def draw_negatives(
    points: Sequence[ExpectedPoint],
    hours: int,
    started_at: datetime,
    detected_at: datetime,
    time_zone: str,
    date_format: str = "%d %b",
) -> bytes:
    """A PNG of 1200 x 480 pixels: bars of `hours` each, those of the alert in red, the usual range as a band.

    A dashed line marks when the alert was raised. Times are of `time_zone`.
    """
    # Imported where it is needed: it takes half a second, and only mails need it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    zone = ZoneInfo(time_zone)
    figure = Figure(figsize=(_WIDTH / 96, _HEIGHT / 96), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    place = _Places(points[0].start, hours)
    edges = [place.of(p.start) for p in points] + [place.of(points[-1].start + timedelta(hours=hours))]
    step = timedelta(hours=hours)
    burst = [p.start + step > started_at and p.start <= detected_at for p in points]
    axes.stairs([p.high + 0.5 for p in points], edges, baseline=0, fill=True, color=_BAND, alpha=0.22, lw=0)
    axes.stairs([p.expected for p in points], edges, baseline=None, color=_BAND, lw=1.2)
    axes.bar(
        [left + 0.5 for left in edges[:-1]],
        [p.negatives for p in points],
        width=0.72,
        color=[_NEGATIVE if red else _PLAIN for red in burst],
        hatch=["////" if red else "" for red in burst],
        edgecolor=["#ffffff80" if red else "none" for red in burst],
        linewidth=0,
    )
    axes.axvline(place.of(detected_at), color=_INK, lw=1.1, ls=(0, (4, 3)))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(3.0, 1.1 * max(max(p.negatives, p.high + 0.5) for p in points)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=2, integer=True))
    ticks = _ticks(points, hours, zone, date_format)
    axes.set_xticks([place.of(at) for at, _ in ticks], [label for _, label in ticks])
    _style(axes)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", transparent=True, metadata={"Software": None})
    return picture.getvalue()


def _style(axes: Any) -> None:
    """Quiet lines and figures, and a base line to stand on."""
    axes.tick_params(colors=_INK, labelsize=10, length=0, pad=3)
    axes.grid(axis="y", color=_PLAIN, alpha=0.28, lw=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_PLAIN)


class _Places:
    """Where on the axis a moment lies: in spans since the first one."""

    def __init__(self, origin: datetime, hours: int) -> None:
        self._origin, self._span = origin, timedelta(hours=hours)

    def of(self, moment: datetime) -> float:
        return (moment - self._origin) / self._span


def _ticks(
    points: Sequence[ExpectedPoint], hours: int, zone: ZoneInfo, date_format: str
) -> list[tuple[datetime, str]]:
    """Beginnings of days with their date (at most six), and noons between them while there are few days."""
    local = [(p.start, p.start.astimezone(zone)) for p in points]
    dated = [(start, at.strftime(date_format)) for start, at in local if hours >= 24 or at.hour < hours]
    if len(dated) > 3:
        return dated[:: -(-len(dated) // 6)]
    return dated + [(start, f"{at:%H:%M}") for start, at in local if 12 <= at.hour < 12 + hours]
