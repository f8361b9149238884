"""The figures of several workers as one page for Prometheus."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

Figures = list[tuple[str, str, str, list[tuple[str, dict[str, str], float]]]]
"""Of each family the name, what it means, the type, and its samples: name, labels, value."""

_COUNTED = ("counter", "histogram")
_LEAST = ("medidiagnose_model_ready", "process_start_time_seconds", "process_max_fds")
_SAME = ("medidiagnose_model_state", "medidiagnose_model_info", "medidiagnose_build_info")


def figures_of(registry: CollectorRegistry) -> Figures:
    """Everything of a registry."""
    return [
        (
            family.name,
            family.documentation,
            family.type,
            [(each.name, each.labels, each.value) for each in family.samples],
        )
        for family in registry.collect()
    ]


def counted(figures: Figures) -> Figures:
    """What goes on counting after a worker has gone: a counter that fell would look like a restart."""
    return [family for family in figures if family[2] in _COUNTED]


def added(several: Iterable[Figures]) -> Figures:
    """Counters, histograms and gauges added up; a model is ready where it is in each, and in a state where it is in
    one."""
    families: dict[str, tuple[str, str, dict[Any, float]]] = {}
    for figures in several:
        for name, told, kind, samples in figures:
            values = families.setdefault(name, (told, kind, {}))[2]
            for sample, labels, value in samples:
                key = (sample, tuple(sorted(labels.items())))
                values[key] = _together(sample)([values[key], value]) if key in values else value
    return [
        (name, told, kind, [(sample, dict(labels), value) for (sample, labels), value in values.items()])
        for name, (told, kind, values) in families.items()
    ]


def _together(sample: str) -> Callable[[list[float]], float]:
    if sample in _LEAST or sample.endswith("_created"):
        return min
    return max if sample in _SAME else sum


def rendered(figures: Figures) -> bytes:
    """In the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Collected(figures))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, told, kind, samples in self._figures:
            family = Metric(name, told, kind)
            for sample, labels, value in samples:
                family.add_sample(sample, labels, value)
            yield family
