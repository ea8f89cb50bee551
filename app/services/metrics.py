"""Numbers for Prometheus: requests and replies as they happen, everything else when somebody asks."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.services.chat import Finished

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
Gauges = Callable[[], Mapping[str, float]]  # by the value of the one label, "" where there is none


class Metrics:
    """One set of numbers for one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "bellwether_requests", "Requests by route and status.", ["method", "route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._latency = Histogram(
            "bellwether_request_seconds", "Seconds from a request to the head of its answer.", ["route"],
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._replies = Counter(
            "bellwether_chat_replies", "Replies to customers by outcome.", ["outcome"], registry=self._registry
        )
        self._first_token = Histogram(
            "bellwether_chat_first_token_seconds", "Seconds from a question to the first words of its reply.",
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._whole = Histogram(
            "bellwether_chat_reply_seconds", "Seconds from a question to the end of its reply.",
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip

    def watch(self, name: str, description: str, gauges: Gauges, label: str = "") -> None:
        """Ask `gauges` for the present values of bellwether_`name` whenever the numbers are read."""
        self._registry.register(_Gauge(f"bellwether_{name}", description, label, gauges))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request. `route` is a pattern, so that addresses do not multiply."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def reply(self, finished: Finished) -> None:
        """Count a reply to a customer."""
        self._replies.labels(finished.reply.outcome.value).inc()
        self._first_token.observe(finished.seconds_to_first_token)
        self._whole.observe(finished.seconds)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)


class _Gauge(Collector):
    def __init__(self, name: str, description: str, label: str, gauges: Gauges) -> None:
        self._name, self._description, self._label, self._gauges = name, description, label, gauges

    def describe(self) -> list[GaugeMetricFamily]:
        """Known without asking, so that registering asks nothing."""
        return [GaugeMetricFamily(self._name, self._description)]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._description, labels=[self._label] if self._label else None)
        for value, number in self._gauges().items():
            family.add_metric([value] if self._label else [], number)
        yield family
