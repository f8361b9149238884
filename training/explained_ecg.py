"""Whether explanations of ECGs show what the answer rests on, as served.

* Silence: the leads and seconds that an explanation names are made a straight line, and the beat is found again; of a
  sheet the leads are left out, as if it did not show them. A random part of the same shape, leads and seconds moved
  about, is silenced for comparison. Where the explanation is right, the first lowers the named probability more.
* Made-up ST elevation (`datasets.st_elevation`): whether the lead that an explanation tells first as raised looks at
  the wall in which it was drawn, and, apart from that, whether the lead that the network weighs most does.

Folds 1 to 8 of PTB-XL, which the networks learned from: what is asked is what their answers rest on.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.heart import HEART_IMAGE, HEART_RECORD
from models.diagnoses.heart.explanation import RAISED, hottest_of
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.preprocessing.ecg_beat import with_beat
from models.preprocessing.ecg_record import filter_band
from models.preprocessing.inputs import Limits
from models.serving.bundle import EXPLANATIONS, Bundle, Estimate, Metadata
from models.serving.engine import PROBABILITIES, Engine
from models.serving.registry import Prediction
from schemas.common import Explanation
from training.datasets import ptbxl
from training.datasets.digitised_sheets import encode, imitate, sheet_of
from training.datasets.ptbxl import EcgSample
from training.datasets.st_elevation import CONTIGUOUS, Wall, elevate
from training.evaluate import mean, share

ECGS: dict[str, AnyDiagnosis] = {HEART_RECORD.name: HEART_RECORD, HEART_IMAGE.name: HEART_IMAGE}
FOLDS = range(1, 9)
DRAWS, SEED, REPEATS = 4, 11, 400
SILENCED, ELEVATED = {"heart_record": 400, "heart_image": 150}, {"heart_record": 60, "heart_image": 25}
"""Records at most, spread evenly over those at hand; of elevation each with every wall and height."""
HEIGHTS = (1.0, 2.0, 4.0)
"""Millimetres above the limit."""
_RATE, _MOST_PIXELS = ptbxl.RATE, 40_000_000

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


def proofs_of(metadata: Metadata, data: Path, count: int) -> FloatArray:
    """Inputs (n, ...) of a network of ECGs: records, or what sheets would show of them."""
    samples = _records(data, count)
    signals = filter_band(ptbxl.load_signals(data / "ptb-xl", samples), float(_RATE))
    return (
        imitate(signals, SEED) if metadata.name == HEART_IMAGE.name else np.stack([with_beat(each) for each in signals])
    )


def measure(bundle: Bundle, data: Path) -> dict[str, dict[str, Estimate]]:
    """Both tests, with 95 % intervals, whole patients drawn with replacement."""
    name, trial = bundle.metadata.name, _Trial(bundle)
    silenced = [found for sample, signal in _signals(data, SILENCED[name]) if (found := trial.silence(sample, signal))]
    raised = [
        found
        for sample, signal in _signals(data, ELEVATED[name], lambda each: each.labels == (1, 0, 0, 0, 0))
        for found in trial.elevations(sample, signal)
    ]
    lost = [(patient, hottest > chance) for patient, hottest, chance in silenced]
    return {
        f"{EXPLANATIONS}PTB-XL, folds 1-8": {
            "silencing what is named lowers more than a random part": _share(lost),
            "probability lost by silencing what is named": _mean([(patient, value) for patient, value, _ in silenced]),
            "probability lost by silencing a random part": _mean([(patient, value) for patient, _, value in silenced]),
        },
        f"{EXPLANATIONS}made-up ST elevation, accepted": {
            "the lead told first as raised looks at the wall": _share([(patient, told) for patient, told, _ in raised]),
            "the lead that the network weighs most does": _share(
                [(patient, weighed) for patient, _, weighed in raised]
            ),
        },
    }


class _Trial:
    """Explanations of a bundle, put to the test."""

    def __init__(self, bundle: Bundle) -> None:
        self._metadata, self._engine = bundle.metadata, Engine(bundle)
        self._diagnosis = ECGS[bundle.metadata.name]
        self._rng = np.random.default_rng(SEED)

    def silence(self, sample: EcgSample, signal: FloatArray) -> tuple[int, float, float] | None:
        """Patient, and what silencing what is named, and random parts, takes from the probability; None where nothing
        is explained."""
        tensor, explanation = self._explain(sample, signal)
        if explanation is None or not explanation.values:
            return None
        named = hottest_of(np.array(explanation.values))
        random = [
            np.roll(named[self._rng.permutation(12)], self._rng.integers(named.shape[1]), 1) for _ in range(DRAWS)
        ]
        index = self._metadata.classes.index(str(explanation.code))
        shown = np.stack([tensor, *(self._silenced(tensor, part) for part in (named, *random))])
        chances = self._engine.run(shown)[PROBABILITIES][:, index].astype(np.float64)
        return sample.patient_id, float(chances[0] - chances[1]), float(chances[0] - chances[2:].mean())

    def elevations(self, sample: EcgSample, signal: FloatArray) -> Iterator[tuple[int, bool, bool]]:
        """Patient, whether the lead told first as raised looks at the wall, and whether the one weighed most does."""
        walls: Sequence[Wall] = tuple(CONTIGUOUS)
        for wall in walls:
            for height in HEIGHTS:
                try:
                    raised = elevate(signal, _RATE, wall, height)
                except ValueError:
                    continue
                _, explanation = self._explain(sample, raised)
                if explanation is not None and explanation.weights:
                    weighed = explanation.weights[0].name in CONTIGUOUS[wall]
                    yield sample.patient_id, told_first(explanation) in CONTIGUOUS[wall], weighed

    def _explain(self, sample: EcgSample, signal: FloatArray) -> tuple[FloatArray, Explanation | None]:
        sent = self._sent(sample, signal)
        preprocessing = self._metadata.preprocessing
        prepared = self._diagnosis.reads.prepare(sent, preprocessing, Limits(max_pixels=_MOST_PIXELS))
        outputs = {name: values[0] for name, values in self._engine.run(prepared.tensors[:1]).items()}
        prediction = Prediction(self._metadata, outputs, {})
        return prepared.tensors[0], self._diagnosis.explained(sent, prediction, prepared, self._engine.run).explanation

    def _sent(self, sample: EcgSample, signal: FloatArray) -> SentHeartRecord | SentSheet:
        if self._diagnosis is HEART_RECORD:
            return SentHeartRecord(*ptbxl.wfdb_of(signal))
        return SentSheet(encode(sheet_of(signal, [SEED, sample.ecg_id], 0.0)))

    def _silenced(self, tensor: FloatArray, part: BoolArray) -> FloatArray:
        if self._diagnosis is HEART_RECORD:
            return with_beat(straightened(tensor[: _RATE * part.shape[1]], part))
        left_out = tensor.copy()
        left_out[:, np.tile(part[:, 0], 2)] = 0
        return left_out


def straightened(signal: FloatArray, part: BoolArray) -> FloatArray:
    """A signal (samples, 12) with straight lines in a part (12, seconds) of it: from what stands before to what stands
    behind; level at an end."""
    found = signal.copy()
    time = np.arange(len(signal))
    for lead, seconds in enumerate(part):
        gone = np.repeat(seconds, _RATE)
        if gone.any():
            found[:, lead] = np.interp(time, time[~gone], signal[~gone, lead]) if not gone.all() else 0
    return found


def told_first(explanation: Explanation) -> str | None:
    """The lead that is told first of those whose ST is raised; None where none is."""
    for part in explanation.parts:
        if part.startswith(RAISED):
            return part.removeprefix(RAISED).split()[0]
    return None


def _records(data: Path, count: int, wanted: Callable[[EcgSample], bool] = lambda _: True) -> list[EcgSample]:
    """Records in mV, at most so many, spread evenly."""
    samples = [
        each for each in ptbxl.load(data / "ptb-xl") if each.kind == "record" and each.fold in FOLDS and wanted(each)
    ]
    return samples[:: max(1, -(-len(samples) // count))]


def _signals(
    data: Path, count: int, wanted: Callable[[EcgSample], bool] = lambda _: True
) -> Iterator[tuple[EcgSample, FloatArray]]:
    for sample in _records(data, count, wanted):
        yield sample, ptbxl.load_signals(data / "ptb-xl", [sample])[0]


def _mean(trials: Sequence[tuple[int, float]]) -> Estimate:
    return mean([value for _, value in trials], [patient for patient, _ in trials], REPEATS)


def _share(trials: Sequence[tuple[int, float]]) -> Estimate:
    return share([value for _, value in trials], [patient for patient, _ in trials], REPEATS)
