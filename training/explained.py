"""Whether explanations show what the answer rests on, measured on pictures that nothing was trained on, as served.

* Deletion: the fifth of the picture where the map is hottest is hidden, and a random fifth for comparison. Where the
  map is right, the first lowers the explained probability more (Samek et al. 2017, IEEE TNNLS 28:2660). What is hidden
  gets the picture's mean colour.
* Pointing game (Zhang et al. 2018, IJCV 126:1084): whether the map's hottest place lies inside the outline that a
  radiologist drew. Beside it stand the middle of the picture as a guess, and chance, the outline's share of it.

Occlusion, which hides one place after the other and so takes a run for each, is measured beside the map that is served.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.diagnoses.breast.explanation import LESION, ROWS
from models.diagnoses.breast.interpretation import NO_LESION
from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.explaining import NOT, enlarged
from models.preprocessing.picture import UInt8Array, to_tensor
from models.serving.bundle import EXPLANATIONS, Bundle, Estimate, Metadata
from models.serving.engine import CLASS_ACTIVATION, PROBABILITIES, Engine, Outputs
from training.datasets.pictures import Sample
from training.evaluate import mean, share
from training.served import Computed, MeasuredSet, computed

SHARE, DRAWS, SEED = 0.2, 4, 11
REPEATS = 400
MOST = 400
"""Pictures of a set at most, spread evenly over it; each takes six runs."""
WHOLE: Mapping[str, Sequence[str]] = {
    "skin": ("HAM10000, a tenth of the lesions", "ISIC 2017 (never trained on)"),
    "xray": ("Kermany test split", "NIH, 15 % of the patients"),
    "breast": ("BUSI, a tenth", "BUS-BRA, a tenth of the patients"),
}
"""The sets of `training.served_sets` that are no parts of others."""

FloatArray = NDArray[np.floating]
Map = Callable[[Computed, str, FloatArray], FloatArray]
"""Makes a map (h, w) of what was computed, of the code that is explained, and of the map that is served."""


@dataclass(frozen=True)
class Tried:
    """What became of the explained probability of a sample, and where the map points; None without an outline."""

    sample: Sample
    code: str
    lost: float
    lost_by_chance: float
    inside: bool | None
    middle: bool | None
    outlined: float | None


def try_all(
    diagnosis: AnyDiagnosis, bundle: Bundle, samples: Sequence[Sample], other: Map | None = None
) -> list[Tried]:
    """Each accepted sample's explanation, as it is served or by `other`, put to the test."""
    engine, rng = Engine(bundle, threads=2), np.random.default_rng(SEED)
    found = []
    for each in computed(diagnosis, bundle, engine, samples):
        explanation = diagnosis.explained(each.sent, each.prediction, each.prepared, engine.run).explanation
        if explanation is None or explanation.code is None:
            continue
        values = np.array(explanation.values)
        if other:
            values = other(each, explanation.code, values)
        found.append(_try(each, explanation.code, values, engine, rng))
    return found


def _try(each: Computed, code: str, values: FloatArray, engine: Engine, rng: np.random.Generator) -> Tried:
    tensor, places = each.prepared.tensors[0], values.size
    hidden = max(1, round(SHARE * places))
    chosen = [np.argsort(-values.ravel(), kind="stable")[:hidden]]
    chosen += [rng.choice(places, hidden, replace=False) for _ in range(DRAWS)]
    shown = np.stack([tensor, *(hide(tensor, each_choice, values.shape) for each_choice in chosen)])
    chances = chance_of(code, each.prediction.metadata, engine.run(shown))
    outline = outline_of(each.sample, each.prediction.metadata)
    peak = np.unravel_index(int(enlarged(values, len(tensor)).argmax()), tensor.shape[:2])
    return Tried(
        each.sample,
        code,
        float(chances[0] - chances[1]),
        float(chances[0] - chances[2:].mean()),
        None if outline is None else bool(outline[peak]),
        None if outline is None else bool(outline[len(tensor) // 2, len(tensor) // 2]),
        None if outline is None else float(outline.mean()),
    )


def hide(tensor: UInt8Array, places: Sequence[int] | NDArray[np.intp], grid: tuple[int, ...]) -> UInt8Array:
    """A tensor (size, size, 3) with some places of a grid (rows, columns) in its mean colour."""
    mask = np.zeros(int(np.prod(grid)), np.uint8)
    mask[places] = 255
    size = tensor.shape[1::-1]
    wide = np.asarray(Image.fromarray(mask.reshape(grid)).resize(size, Image.Resampling.NEAREST)) > 0
    hidden = tensor.copy()
    hidden[wide] = np.rint(tensor.mean(axis=(0, 1))).astype(np.uint8)
    return hidden


def chance_of(code: str, metadata: Metadata, outputs: Outputs) -> NDArray[np.float64]:
    """The probabilities (n,) of what a map of that code explains."""
    chances = outputs[PROBABILITIES].astype(np.float64)
    if metadata.explains != ROWS:
        return np.asarray(chances[:, metadata.classes.index(code)])
    none = chances[:, metadata.classes.index(NO_LESION)]
    return none if code == f"{NOT}{LESION}" else 1.0 - none


def outline_of(sample: Sample, metadata: Metadata) -> NDArray[np.bool_] | None:
    """The outlined part of a sample's tensor (size, size); None where nothing is outlined."""
    spec, marked = metadata.image_preprocessing, None
    for file in sample.masks:
        with Image.open(file) as mask:
            part = to_tensor(mask.convert("RGB"), spec)[..., 0] > 127
        marked = part if marked is None else marked | part
    return marked if marked is not None and marked.any() else None


def occlusion(engine: Engine) -> Map:
    """What hiding each place by itself takes from the log odds: as many runs as there are places."""

    def made(each: Computed, code: str, values: FloatArray) -> FloatArray:
        tensor, metadata = each.prepared.tensors[0], each.prediction.metadata
        shown = np.stack([tensor, *(hide(tensor, [place], values.shape) for place in range(values.size))])
        chances = np.clip(chance_of(code, metadata, engine.run(shown)), 1e-9, 1 - 1e-9)
        log_odds = np.log(chances) - np.log1p(-chances)
        return np.asarray((log_odds[0] - log_odds[1:]).reshape(values.shape))

    return made


def of_row(row: str) -> Map:
    """The map of one row of the bundle's own, whatever is answered."""

    def made(each: Computed, _: str, __: FloatArray) -> FloatArray:
        metadata = each.prediction.metadata
        return np.asarray(each.prediction.outputs[CLASS_ACTIVATION][metadata.explains.index(row)])

    return made


def figures(tried: Sequence[Tried]) -> dict[str, Estimate]:
    """What the trials say, with 95 % intervals, whole groups drawn with replacement."""
    return dict(_figures(tried))


def _figures(tried: Sequence[Tried]) -> Iterator[tuple[str, Estimate]]:
    yield (
        "hiding the hottest fifth lowers more than a random fifth",
        _share(tried, lambda each: each.lost > each.lost_by_chance),
    )
    yield "probability lost by hiding the hottest fifth", _mean(tried, lambda each: each.lost)
    yield "probability lost by hiding a random fifth", _mean(tried, lambda each: each.lost_by_chance)
    outlined = [each for each in tried if each.inside is not None]
    if outlined:
        yield "hottest place inside the outline", _share(outlined, lambda each: bool(each.inside))
        yield "middle of the picture inside the outline", _share(outlined, lambda each: bool(each.middle))
        yield "outlined share of the picture (chance)", _mean(outlined, lambda each: each.outlined or 0.0)


def _mean(tried: Sequence[Tried], of: Callable[[Tried], float]) -> Estimate:
    return mean([of(each) for each in tried], [each.sample.group for each in tried], REPEATS)


def _share(tried: Sequence[Tried], of: Callable[[Tried], bool]) -> Estimate:
    return share([of(each) for each in tried], [each.sample.group for each in tried], REPEATS)


def measure(diagnosis: AnyDiagnosis, bundle: Bundle, sets: Sequence[MeasuredSet]) -> dict[str, dict[str, Estimate]]:
    """The figures of each of the sets that are `WHOLE`, by name."""
    found = {}
    samples = {each.name: each.samples for each in sets}
    for name in WHOLE[diagnosis.name]:
        step = max(1, -(-len(samples[name]) // MOST))
        found[f"{EXPLANATIONS}{name}"] = figures(try_all(diagnosis, bundle, samples[name][::step]))
    return found
