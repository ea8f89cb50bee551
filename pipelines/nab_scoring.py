"""The scoring of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015, arXiv:1510.03336), standard profile.

One threshold for all files turns scores into detections. Within a labelled window only the best detection
counts, the earlier the better; a window without any costs 1; each detection outside costs up to 0.11, less just
behind a window. The first 15 % of a file, at most 750 records, are not scored. The total is scaled so that no
detection at all is 0 and the earliest possible in each window is 100.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FALSE_POSITIVE = 0.11
_PROBATION, _MAX_PROBATION = 0.15, 750
Window = tuple[int, int]  # first and last record


@dataclass(frozen=True)
class Gain:
    """What lowering the threshold to `score` adds to a file's raw score."""

    score: float
    value: float


def sigmoid(position: float) -> float:
    """1 far before a window's end, 0 at its end, -1 far behind."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def detection_values(records: int, windows: Sequence[Window]) -> list[tuple[float, int]]:
    """For each record, what a detection there is worth, and its window's number or -1. Windows are in order."""
    values: list[tuple[float, int]] = []
    previous: Window | None = None
    number = 0
    for record in range(records):
        if number < len(windows) and record > windows[number][1]:
            previous, number = windows[number], number + 1
        if number < len(windows) and record >= windows[number][0]:
            first, last = windows[number]
            position = -(last - record + 1) / (last - first + 1)
            values.append((sigmoid(position) / sigmoid(-1.0), number))
        elif previous is None:
            values.append((-FALSE_POSITIVE, -1))
        else:
            position = (record - previous[1]) / max(1, previous[1] - previous[0])
            values.append((FALSE_POSITIVE * sigmoid(position), -1))
    return values


def gains(scores: Sequence[float], windows: Sequence[Window]) -> list[Gain]:
    """A file's raw score as a function of the threshold: -len(windows) and the gains of scores that reach it."""
    values = detection_values(len(scores), windows)
    best = [-1.0] * len(windows)  # a missed window
    result = []
    start = min(int(_PROBATION * len(scores)), _MAX_PROBATION)
    for record in sorted(range(start, len(scores)), key=lambda i: -scores[i]):
        value, window = values[record]
        if window < 0:
            result.append(Gain(scores[record], value))
        elif value > best[window]:
            result.append(Gain(scores[record], value - best[window]))
            best[window] = value
    return result


def raw_score(found: Iterable[Gain], windows: int, threshold: float) -> float:
    """A file's score before scaling."""
    return math.fsum(gain.value for gain in found if gain.score >= threshold) - windows


def best_threshold(files: Iterable[Sequence[Gain]]) -> float:
    """The one threshold with the highest sum of raw scores over all files; above 1 if silence is best."""
    total, best, threshold = 0.0, 0.0, 1.1
    steps: dict[float, float] = {}
    for found in files:
        for gain in found:
            steps[gain.score] = steps.get(gain.score, 0.0) + gain.value
    for score in sorted(steps, reverse=True):
        total += steps[score]
        if total > best:
            best, threshold = total, score
    return threshold


def normalised(raw: float, windows: int) -> float | None:
    """Percent of the way from no detection to perfect ones; None without windows."""
    return 100 * (raw + windows) / (2 * windows) if windows else None


def category_scores(raw: Mapping[str, float], windows: Mapping[str, int]) -> dict[str, tuple[float, int]]:
    """Raw score and number of windows of each category ("category/file.csv") and of all files ("all")."""
    result: dict[str, tuple[float, int]] = {}
    for name, value in raw.items():
        for group in (name.split("/")[0], "all"):
            sum_, count = result.get(group, (0.0, 0))
            result[group] = (sum_ + value, count + windows[name])
    return dict(sorted(result.items(), key=lambda item: (item[0] == "all", item[0])))
