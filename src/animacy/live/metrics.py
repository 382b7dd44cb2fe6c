"""What Prometheus may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from .host import Host

_LATENESS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 1.0)


class Metrics:
    """A registry of one server's own, so that several in one process do not mix."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("animacy_requests", "Requests answered", ["method", "status"], registry=registry)
        self.texts = Counter("animacy_texts", "Texts given to be said", registry=registry)
        self.refused = Counter("animacy_sessions_refused", "Sessions refused for want of room", registry=registry)
        self.outputs = Counter("animacy_outputs", "Outputs that failed, were lost, or are back", ["event"], registry=registry)
        for event in ("failed", "lost", "back"):  # 0 is told, too
            self.outputs.labels(event)
        self.lateness = Histogram(
            "animacy_frame_lateness_seconds", "From a frame's instant to its packet", buckets=_LATENESS, registry=registry
        )
        gauges = {
            "sessions": "Sessions that are open",
            "viewers": "Viewers by WebRTC",
            "frames_reached": "Frames a second that sessions ask for over the need",
            "need": "What a tick takes, each frame painted, over the time between frames",
            "look_ahead": "Frames painted ahead",
            "half": "1 while each second frame is painted",
            "drift_seconds": "The furthest that any session's sound is behind its instant",
            "encode_seconds": "The longest that any session's newest frame took to encode",
            "skipped": "Frames of open sessions that were never painted",
            "late": "Frames of open sessions that left more than a frame late",
        }
        self._gauges = {name: Gauge(f"animacy_{name}", text, registry=registry) for name, text in gauges.items()}

    def note(self, host: Host, viewers: int) -> None:
        """Take the present state."""
        streams, scheduler = host.streams, host.scheduler
        figures = [s.figures for s in streams]
        now = {
            "sessions": len(streams),
            "viewers": viewers,
            "frames_reached": scheduler.reached,
            "need": scheduler.need,
            "look_ahead": scheduler.look_ahead,
            "half": scheduler.half,
            "drift_seconds": max((f.drift for f in figures), default=0.0),
            "encode_seconds": max((f.encoding for f in figures), default=0.0),
            "skipped": sum(f.skipped for f in figures),
            "late": sum(f.late for f in figures),
        }
        for name, value in now.items():
            self._gauges[name].set(value)

    def text(self) -> tuple[bytes, str]:
        """The exposition, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def merged(
    texts: Mapping[str, str], front: Metrics, *, ready: int, restarts: Mapping[str, int], hung: Mapping[str, int]
) -> tuple[bytes, str]:
    """The exposition of several processes, each process's figures with the label `worker`, and its content type.

    texts: what each gave. What the address in front answered and refused is counted there alone, in `front`.
    """
    own = [*front.requests.collect(), *front.refused.collect()]
    once = tuple(family.name for family in own)
    families: dict[str, Metric] = {}
    for worker, text in texts.items():
        for family in text_string_to_metric_families(text):
            if family.name.startswith(once):
                continue
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                whole.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
    own.append(GaugeMetricFamily("animacy_workers_ready", "Processes that work", ready))
    for name, text, counts in (
        ("animacy_worker_restarts", "Processes that were started again", restarts),
        ("animacy_worker_hangs", "Processes that were killed because they hung", hung),
    ):
        counted = CounterMetricFamily(name, text, labels=["worker"])
        for worker, count in counts.items():
            counted.add_metric([worker], count)
        own.append(counted)
    registry = CollectorRegistry()
    registry.register(_Families([*own, *families.values()]))
    return generate_latest(registry), CONTENT_TYPE_LATEST
