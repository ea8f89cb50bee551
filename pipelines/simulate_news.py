"""Simulate streams of news with bursts in them, and measure how the product's detector does.

    python -m pipelines.simulate_news [--series 200] [--days 90] [--seed 1] [--json]
    python -m pipelines.simulate_news --benchmark   # time of 10,000 series x 30 days of hours

Each series has a level between 0.05 and 40 articles a day, a share of negatives, a rhythm of the day and of the
week, a slow drift, and counts of negative-binomial spread. Bursts are articles on top of these: of 4, 6 or 10
times the expected negatives of their hours and at least 8 articles, for 1 to 48 hours, flat, rising, falling or
all at once, with neutral articles beside them. The first 21 days have no bursts.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from app.domain.errors import InvalidInput
from app.domain.spikes import HOUR, Mention, Spike, SpikeRule, detect
from app.domain.watch import Watch
from pipelines import command_line

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
QUIET_DAYS = 21
SIZES, LENGTHS, SHAPES = (4, 6, 10), (1, 2, 4, 8, 24, 48), ("flat", "rising", "falling", "at once")
LEAST = 8  # articles of a burst
APART = 9  # days between the bursts of a series, on average
AFTERMATH = 72  # hours after a burst in which another alert is about the same news


@dataclass(frozen=True)
class Burst:
    """Articles on top of the usual ones. Hours since the start; `expected` are the usual negatives meanwhile."""

    series: str
    hour: int
    hours: int
    size: int
    shape: str
    articles: int
    expected: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=200, help="number of series (default 200)")
    parser.add_argument("--days", type=int, default=90, help="length of the stream (default 90)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    parser.add_argument("--benchmark", action="store_true", help="measure the time of 10,000 series x 30 days")
    arguments = parser.parse_args()
    if arguments.series < 1 or arguments.days <= QUIET_DAYS:
        raise InvalidInput(f"It takes at least one series and more than {QUIET_DAYS} days.")
    if arguments.benchmark:
        report = benchmark(arguments.seed)
        print(json.dumps(report) if arguments.json else "\n".join(f"{k:<36}{v}" for k, v in report.items()))
        return
    report = simulate(arguments.series, arguments.days, arguments.seed)
    print(json.dumps(report) if arguments.json else table(report))


def simulate(series: int, days: int, seed: int, rule: SpikeRule | None = None) -> dict[str, Any]:
    """Make the stream, run the detector over it, and compare."""
    rng = random.Random(seed)
    mentions: list[Mention] = []
    bursts: list[Burst] = []
    for number in range(series):
        made, planted = stream(f"series {number:04d}", days, random.Random(rng.random()))
        mentions += made
        bursts += planted
    started = time.process_time()
    spikes = list(detect(mentions, rule or SpikeRule()))
    seconds = time.process_time() - started
    return {
        "series": series,
        "days": days,
        "seed": seed,
        "articles": len(mentions),
        "detector_seconds": round(seconds, 1),
        **compare(spikes, bursts, series * days / 365.25),
    }


def stream(name: str, days: int, rng: random.Random) -> tuple[list[Mention], list[Burst]]:
    """One series' articles, usual ones and bursts."""
    level = 10 ** rng.uniform(-1.3, 1.6) / 24  # articles an hour
    share, spread = rng.uniform(0.15, 0.5), rng.uniform(1.5, 8.0)
    day, night, weekend = rng.uniform(0, 24), rng.uniform(0.1, 0.8), rng.uniform(0.3, 1.0)
    drift = rng.gauss(0, 0.35) / 30  # of the logarithm, a day
    usual = []
    for hour in range(24 * days):
        rhythm = 1 + night * math.cos(2 * math.pi * (hour % 24 - day) / 24)
        rhythm *= weekend if hour // 24 % 7 >= 5 else 1.0
        usual.append(level * rhythm * math.exp(drift * hour / 24))
    mentions = list(_articles(name, usual, share, spread, rng))
    bursts = list(_plan(name, days, [share * u for u in usual], rng))
    return mentions + [m for burst in bursts for m in _burst_articles(burst, rng)], bursts


def _articles(name: str, usual: list[float], share: float, spread: float, rng: random.Random) -> Iterator[Mention]:
    for hour, mean in enumerate(usual):
        for _ in range(_poisson(rng, mean * rng.gammavariate(spread, 1 / spread))):
            yield Mention(START + (hour + rng.random()) * HOUR, name, rng.random() < share)


def _plan(name: str, days: int, usual: list[float], rng: random.Random) -> Iterator[Burst]:
    hour = 24 * QUIET_DAYS + rng.randrange(24 * APART)
    while hour < 24 * days - max(LENGTHS):
        hours, size, shape = rng.choice(LENGTHS), rng.choice(SIZES), rng.choice(SHAPES)
        expected = sum(usual[hour : hour + hours])
        yield Burst(name, hour, hours, size, shape, max(LEAST, math.ceil(size * expected)), expected)
        hour += hours + AFTERMATH + 24 + rng.randrange(2 * 24 * APART)


def _burst_articles(burst: Burst, rng: random.Random) -> Iterator[Mention]:
    """A burst's negatives, and a third as many neutral articles."""
    for number in range(burst.articles + burst.articles // 3):
        part = rng.random()
        if burst.shape == "rising":
            part = math.sqrt(part)
        elif burst.shape == "falling":
            part = 1 - math.sqrt(part)
        elif burst.shape == "at once":
            part /= burst.hours
        yield Mention(START + (burst.hour + part * burst.hours) * HOUR, burst.series, number < burst.articles)


def _poisson(rng: random.Random, mean: float) -> int:
    count, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


def compare(spikes: list[Spike], bursts: list[Burst], series_years: float) -> dict[str, Any]:
    """Recall, delay and false alerts. An alert belongs to a burst from its first hour to 72 hours after it."""
    alerts: dict[str, list[Spike]] = {}
    for spike in spikes:
        alerts.setdefault(spike.topic, []).append(spike)
    found: list[tuple[Burst, Spike]] = []
    explained = 0
    for burst in bursts:
        begin = START + burst.hour * HOUR
        during = [
            s for s in alerts.get(burst.series, ()) if begin <= s.detected_at < begin + burst.hours * HOUR + HOUR
        ]
        after = begin + (burst.hours + AFTERMATH) * HOUR
        explained += sum(begin <= s.detected_at < after for s in alerts.get(burst.series, ()))
        if during:
            found.append((burst, during[0]))
    delays = [(spike.detected_at - START) / HOUR - burst.hour for burst, spike in found]
    windows = [delay / spike.window_hours for delay, (_, spike) in zip(delays, found, strict=True)]
    hit = {id(burst) for burst, _ in found}
    groups = {
        "size": {f"{n} x expected": [b for b in bursts if b.size == n] for n in SIZES},
        "hours": {f"{n} h": [b for b in bursts if b.hours == n] for n in LENGTHS},
        "shape": {shape: [b for b in bursts if b.shape == shape] for shape in SHAPES},
        "expected": {
            "under 0.5": [b for b in bursts if b.expected < 0.5],
            "0.5 to 3": [b for b in bursts if 0.5 <= b.expected < 3],
            "3 and more": [b for b in bursts if b.expected >= 3],
        },
    }
    return {
        "bursts": len(bursts),
        "alerts": len(spikes),
        "recall": _share(bursts, hit),
        "recall_by": {
            by: {name: {"bursts": len(some), "recall": _share(some, hit)} for name, some in parts.items()}
            for by, parts in groups.items()
        },
        "false_alerts": len(spikes) - explained,
        "series_years": round(series_years, 2),
        "false_alerts_a_series_year": round((len(spikes) - explained) / series_years, 3),
        "median_delay_hours": round(median(delays), 2) if delays else None,
        "median_delay_windows": round(median(windows), 2) if windows else None,
    }


def _share(bursts: list[Burst], hit: set[int]) -> float | None:
    return round(sum(id(b) in hit for b in bursts) / len(bursts), 4) if bursts else None


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"{name:<32}{value}" for name, value in report.items() if name != "recall_by"]
    recall_by = report["recall_by"]
    for by, parts in recall_by.items():
        lines += ["", f"{'recall by ' + by:<32}{'bursts':>8}{'recall':>10}"]
        lines += [f"  {name:<30}{part['bursts']:>8}{part['recall'] or 0:>10.3f}" for name, part in parts.items()]
    return "\n".join(lines)


def benchmark(seed: int, series: int = 10_000, days: int = 30) -> dict[str, Any]:
    """Processor time of the watch for hourly counts: few articles an hour on most series, many on some."""
    rng = random.Random(seed)
    first = int(START.timestamp() // 3600)
    hours: list[dict[str, list[int]]] = [{} for _ in range(24 * days)]
    for number in range(series):
        mean, name = min(20.0, 0.1 * rng.paretovariate(1.2)), f"series {number:05d}"  # articles an hour
        hour = rng.expovariate(mean)
        while hour < len(hours):
            hours[int(hour)].setdefault(name, [0, 0])[rng.random() < 0.7] += 1
            hour += rng.expovariate(mean)
    started = time.process_time()
    watch, findings = Watch(SpikeRule().limits(), first), 0
    for number, counts in enumerate(hours):
        watch.begin_hour(first + number)
        watch.add_total(sum(map(sum, counts.values())))
        for name, (negatives, rest) in counts.items():
            findings += watch.add(name, negatives, rest) is not None
    seconds = time.process_time() - started
    return {
        "series": series,
        "hours": len(hours),
        "series_hours_with_articles": sum(map(len, hours)),
        "articles": sum(sum(map(sum, counts.values())) for counts in hours),
        "findings": findings,
        "cpu_seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    command_line.run(main)
