"""Which leads and seconds of an ECG speak for what is named, from the network that named it, drawn over the traces.

The network is linear in what it reads of each lead and second, so `class_activation` says what each adds to the log
odds: of a record against silence, of a sheet against the average ECG. What was measured stands beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.explaining import DECIMALS, Answered, data_uri
from models.diagnoses.heart.alerts import CONTIGUOUS
from models.diagnoses.heart.figures import Figures, Levels
from models.diagnoses.heart.measured import MeasuredRecord, MeasuredSheet
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.diagnoses.knowledge import common_knowledge
from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet import DigitisedSheet
from models.preprocessing.ecg_sheet.digitisation import RATE as SHEET_RATE
from models.preprocessing.ecg_sheet.overlay import draw_overlay
from models.preprocessing.ecg_traces import draw_traces
from models.preprocessing.inputs import Prepared
from models.serving.engine import CLASS_ACTIVATION
from schemas.common import Explanation, WeightOfEvidence
from schemas.heart import HeartReading

SentT = TypeVar("SentT")
PreparedT = TypeVar("PreparedT", bound=Prepared)

LEAD_ACTIVATION = "class activation of leads and seconds"
HOTTEST = 0.2
"""The share of the leads and seconds that is named; hiding it is what was measured."""
FAR = 0.1
"""mV, a millimetre at the usual gain: the ST level from which it is told."""
RAISED, LOWERED = "Measured, ST at the J point raised: ", "Measured, ST at the J point lowered: "

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]
Span = tuple[float, float]


def explain_record(answered: Answered[SentHeartRecord, MeasuredRecord, HeartReading]) -> Explanation | None:
    """What each lead and second says; None where the record is not accepted, or the network can't tell."""
    cells = _cells(answered)
    if cells is None:
        return None
    windows, count = answered.prepared.windows, len(answered.prepared.tensors)
    of_windows = np.split(cells, count, axis=1)
    starts = [round(start + second, 3) for start in windows.starts for second in range(of_windows[0].shape[1])]
    spans = {place: list(_spans(row, starts)) for place, row in enumerate(hottest_of(cells)) if row.any()}
    shown = int(np.argmax([np.maximum(each, 0).sum() for each in of_windows]))
    traces = draw_traces(answered.prepared.tensors[shown], of_windows[shown])
    return _explanation(answered, cells, starts, _parts(cells, spans, answered.prepared.figures), data_uri(traces))


def explain_sheet(answered: Answered[SentSheet, MeasuredSheet, HeartReading]) -> Explanation | None:
    """What each lead says, drawn over the sheet; the traces alone where it is not accepted or there is no map."""
    measured = answered.prepared
    found = measured.sheet.reading
    if found is None:
        return None
    cells = _cells(answered)
    if cells is None:
        limits = common_knowledge().explanation.overlay_limits.value
        return Explanation(kind="overlay", method="traces read", overlay=data_uri(draw_overlay(found)), limits=limits)
    spans = {place: _shown(found, place) for place, row in enumerate(hottest_of(cells)) if row.any()}
    totals = cells.sum(axis=1)
    spoke: dict[str, float] = {
        lead: float(total / totals.max()) for lead, total in zip(LEADS, totals, strict=True) if total > 0
    }
    picture = data_uri(draw_overlay(found, spoke))
    return _explanation(answered, cells, [0.0], _parts(cells, spans, measured.figures), picture)


def hottest_of(cells: FloatArray) -> BoolArray:
    """The `HOTTEST` share of the cells (leads, seconds) that add most, of those that add anything."""
    count = max(1, round(HOTTEST * cells.size))
    chosen = np.zeros(cells.size, bool)
    chosen[np.argsort(-cells.ravel(), kind="stable")[:count]] = True
    return chosen.reshape(cells.shape) & (cells > 0)


def _cells(answered: Answered[SentT, PreparedT, HeartReading]) -> FloatArray | None:
    """What each lead and second (12, seconds) adds to the log odds of what is named; None as `explain_record` says."""
    metadata, outputs = answered.prediction.metadata, answered.prediction.outputs
    code = answered.reading.prediction.code
    if not answered.reliability.accepted or code not in metadata.explains:
        return None
    return np.asarray(outputs[CLASS_ACTIVATION][metadata.explains.index(code)] / metadata.temperature)


def _explanation(
    answered: Answered[SentT, PreparedT, HeartReading],
    cells: FloatArray,
    starts: Sequence[float],
    parts: Iterable[str],
    overlay: str,
) -> Explanation:
    code = answered.reading.prediction.code
    totals = [round(float(total), DECIMALS) for total in cells.sum(axis=1)]
    weights = [
        WeightOfEvidence(name=lead, about=code, log_odds=total) for lead, total in zip(LEADS, totals, strict=True)
    ]
    return Explanation(
        kind="leads",
        method=LEAD_ACTIVATION,
        code=code,
        values=tuple(tuple(round(value, DECIMALS) for value in row) for row in cells.tolist()),
        rows=LEADS,
        seconds=tuple(starts),
        overlay=overlay,
        weights=tuple(sorted(weights, key=lambda each: -each.log_odds)),
        parts=tuple(parts),
        limits=common_knowledge().explanation.leads_limits.value,
    )


def _parts(cells: FloatArray, spans: Mapping[int, Sequence[Span]], figures: Figures | None) -> Iterator[str]:
    """The leads that speak most, when, and what was measured there; then what was measured in any lead."""
    for place in sorted(spans, key=lambda each: -float(cells[each].sum())):
        when = " and ".join(f"{start:g} to {end:g}" for start, end in spans[place])
        yield f"{LEADS[place]}, seconds {when}{_levels(figures, place)}"
    if figures is None or figures.levels is None:
        return
    for told, sign in ((RAISED, 1), (LOWERED, -1)):
        far = _far(figures.levels, sign)
        if far:
            listed = ", ".join(f"{LEADS[place]} {figures.levels.j[place]:+.2f} mV" for place in far)
            yield f"{told}{listed}"
    if figures.qrs is not None:
        yield f"Measured, QRS: {figures.qrs:.0f} ms"


def _far(levels: Levels, sign: int) -> list[int]:
    """The sure leads whose ST is raised, or with a sign of -1 lowered, by `FAR`: those first that are so together with
    a contiguous lead, by the smaller of the two, so that one lead that was misread does not lead."""
    heights = dict(zip(LEADS, np.where(levels.sure, sign * levels.j, -np.inf).tolist(), strict=True))
    sides = {**heights, "-aVR": -sign * float(levels.j[LEADS.index("aVR")]) if np.isfinite(heights["aVR"]) else -np.inf}
    together = {
        lead: max((min(sides[one], sides[other]) for one, other in CONTIGUOUS if lead in (one, other)), default=-np.inf)
        for lead in LEADS
    }
    far = [place for place, lead in enumerate(LEADS) if heights[lead] >= FAR]
    return sorted(far, key=lambda place: (-together[LEADS[place]], -heights[LEADS[place]]))


def _levels(figures: Figures | None, place: int) -> str:
    """What was measured in a lead; nothing where it is not sure."""
    levels = figures.levels if figures else None
    if levels is None or not levels.sure[place]:
        return ""
    return f": ST {levels.j[place]:+.2f}, R {levels.r[place]:.2f}, S {levels.s[place]:.2f} mV"


def _spans(chosen: BoolArray, starts: Sequence[float]) -> Iterator[Span]:
    """The seconds that are chosen, those that follow one another together."""
    begun: float | None = None
    for second, (is_chosen, start) in enumerate(zip(chosen, starts, strict=True)):
        following = second + 1 < len(starts) and chosen[second + 1] and starts[second + 1] == start + 1
        if is_chosen:
            begun = start if begun is None else begun
            if not following:
                yield begun, start + 1
                begun = None


def _shown(found: DigitisedSheet, place: int) -> list[Span]:
    """The seconds in which a sheet shows a lead."""
    seen = np.flatnonzero(found.shown[:, place])
    return [(round(float(seen[0]) / SHEET_RATE, 1), round(float(seen[-1] + 1) / SHEET_RATE, 1))] if seen.size else []
