"""Pictures that a model must not read: other pictures at hand, and drawn ones, told from its own by what the network
makes of them.

The Gaussian of `training.novelty` knows only what its own pictures look like; skin without a lesion, or a film with its
greys turned round, lies within it. So a linear classifier of the same features, own pictures against strangers, is put
into the graph beside it: `novelty` is the greater of both, on the Gaussian's scale. Half of the sources of strangers
teach it, the other half measure it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from models.preprocessing.picture import ImagePreprocessing, UInt8Array, decode, to_tensor
from models.serving.bundle import DataSource
from models.serving.engine import NOVELTY
from training.datasets import bus_bra, busi, chest_nih, chest_normal_adults, chest_xray, ham10000
from training.datasets.pictures import MAX_PIXELS, Sample, for_each
from training.evaluate import predict
from training.novelty import features_behind
from training.studies.foreign_pictures import KINDS as DRAWN_KINDS
from training.studies.foreign_pictures import clouds

if TYPE_CHECKING:
    from onnx import ModelProto

Part = Literal["learn", "check"]
Random = np.random.Generator
Draw = Callable[[Random], UInt8Array]
Change = Callable[[UInt8Array, Random], UInt8Array]

DRAWN, TAKEN = 120, 240
"""How many pictures of each drawn kind, and at most of each kind that is made of pictures at hand."""
SEED = 20263
FALSE_ALARMS: Mapping[str, float] = {"skin": 0.001, "xray": 0.015, "breast": 0.015}
"""The share of one's own pictures that the classifier takes for strangers. Dermoscopies of other places lie between:
at 0.015 of 12 % of ISIC 2017 it said so, and of no more strangers than at 0.001."""
_PREFIX = "stranger_"

_TONES = (
    (244, 208, 177),
    (231, 180, 143),
    (210, 158, 124),
    (186, 120, 81),
    (165, 126, 110),
    (134, 80, 51),
    (92, 56, 41),
    (60, 46, 40),
)
"""Skin from fair to dark."""


@dataclass(frozen=True)
class Source:
    """Where the pictures of a set lie, how they are read, and on which terms."""

    folder: str
    load: Callable[[Path], list[Sample]]
    terms: DataSource


SOURCES: Mapping[str, Source] = {
    "dermoscopies": Source("HAM10000", ham10000.load, ham10000.SOURCE),
    "films of children": Source("chest_xray", chest_xray.load_all, chest_xray.SOURCE),
    "films of adults": Source("chest_nih", chest_nih.load, chest_nih.SOURCE),
    "films of normal adults": Source("chest_normal_adults", chest_normal_adults.load, chest_normal_adults.SOURCE),
    "ultrasounds, BUSI": Source("breast_ultrasound", busi.load, busi.SOURCE),
    "ultrasounds, BUS-BRA": Source("bus_bra", bus_bra.load, bus_bra.SOURCE),
}
OWN: Mapping[str, tuple[str, ...]] = {
    "skin": ("dermoscopies",),
    "xray": ("films of children", "films of adults", "films of normal adults"),
    "breast": ("ultrasounds, BUSI", "ultrasounds, BUS-BRA"),
}
ECGS: Mapping[str, DataSource] = {
    "ecg_sheets": DataSource(
        name="ECG images of cardiac patients",
        use="",
        licence="CC BY 4.0",
        citation="Khan AH, Hussain M. ECG Images dataset of Cardiac Patients. Mendeley Data 2021, gwbz3fsgp8.",
    ),
    "ecg_pictures": DataSource(
        name="Pictures of ECG-Image-Kit",
        use="",
        licence="BSD-3-Clause",
        citation="Shivashankara KK et al. ECG-Image-Kit: a synthetic image generation toolbox to facilitate deep "
        "learning-based electrocardiogram digitization. Physiol Meas 2024;45:055019.",
    ),
}
"""Prints and photographs of ECGs: their folders, and on which terms they are had."""
TAUGHT = "strangers that taught the classifier which refuses them, or measured it"
"""What `DataSource.use` says of pictures that are strangers to a model."""


def bare_skin(rng: Random) -> UInt8Array:
    """Even skin of any tone, with its light, grain and a few hairs, (400, 400, 3)."""
    size = 400
    tone = np.array(_TONES[int(rng.integers(len(_TONES)))]) * rng.uniform(0.85, 1.1, 3)
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    light = 1 + rng.uniform(-0.3, 0.3) * rows + rng.uniform(-0.3, 0.3) * columns
    light -= rng.uniform(0, 0.8) * (rows**2 + columns**2)
    grain = ndimage.gaussian_filter(rng.normal(size=(size, size)), rng.uniform(0.7, 6.0))
    blotches = clouds((size, size), rng, roughness=rng.uniform(1.2, 2.2)) - 0.5
    pixels = tone * light[..., None] + (grain / grain.std())[..., None] * rng.uniform(1, 7)
    pixels += blotches[..., None] * np.array([8, 16, 14]) * rng.uniform(0, 2)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 8)) if rng.random() < 0.4 else 0):
        pen.line([tuple(point) for point in rng.uniform(0, size, (2, 2)).tolist()], fill=(40, 30, 25), width=2)
    return np.asarray(image)


def corner(picture: UInt8Array, rng: Random) -> UInt8Array:
    """A corner of a dermoscopy, where the skin is usually bare, enlarged."""
    edge = int(min(picture.shape[:2]) * rng.uniform(0.18, 0.3))
    top = 0 if rng.random() < 0.5 else picture.shape[0] - edge
    left = 0 if rng.random() < 0.5 else picture.shape[1] - edge
    return picture[top : top + edge, left : left + edge]


def inverted(picture: UInt8Array, _: Random) -> UInt8Array:
    """Bright where it was dark."""
    return 255 - picture


def side_by_side(picture: UInt8Array, rng: Random) -> UInt8Array:
    """The picture twice beside itself, changed a little, with a gap or none."""
    other = np.clip(picture * rng.uniform(0.8, 1.2) + rng.uniform(-15, 15), 0, 255).astype(np.uint8)
    gap = np.zeros((picture.shape[0], int(rng.choice([0, 4, 16])), 3), np.uint8)
    return np.concatenate([picture, gap, other], axis=1)


def turned(picture: UInt8Array, rng: Random) -> UInt8Array:
    """On its side."""
    return np.rot90(picture, int(rng.choice([1, 3])))


def doppler(picture: UInt8Array, rng: Random) -> UInt8Array:
    """With flow in colour: red and blue blobs, and a bar of the scale."""
    height, width = picture.shape[:2]
    flow = clouds((height, width), rng, roughness=1.6)
    where = (flow > np.quantile(flow, rng.uniform(0.9, 0.985)))[..., None]
    towards = clouds((height, width), rng, roughness=1.9) > 0.5
    colour = np.where(towards[..., None], [230, 60, 20], [30, 80, 230]) * rng.uniform(0.7, 1.0)
    mixed = np.where(where, 0.15 * picture + 0.85 * colour, picture)
    bar = np.linspace(0, 1, height // 2)[:, None, None]
    mixed[: height // 2, : max(4, width // 40)] = (1 - bar) * [250, 200, 40] + bar * [40, 160, 250]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def ct_slice(rng: Random) -> UInt8Array:
    """A body's oval on black with two lungs, a heart, a spine and ribs, (400, 400, 3)."""
    size = 400
    image = Image.new("L", (size, size))
    pen = ImageDraw.Draw(image)
    half, tall = rng.uniform(150, 190), rng.uniform(100, 150)
    x, y = size / 2 + rng.uniform(-10, 10), size / 2 + rng.uniform(-10, 10)
    soft, lung = int(rng.integers(110, 170)), int(rng.integers(5, 45))

    def oval(cx: float, cy: float, rx: float, ry: float, grey: int) -> None:
        pen.ellipse([cx - rx, cy - ry, cx + rx, cy + ry], fill=grey)

    oval(x, y, half, tall, soft)
    for side in (-1, 1):
        oval(x + side * half * 0.45, y, half * rng.uniform(0.3, 0.38), tall * rng.uniform(0.55, 0.75), lung)
    oval(x - half * 0.1, y - tall * 0.15, half * 0.24, tall * 0.32, soft + 40)
    oval(x, y + tall * 0.66, half * 0.11, tall * 0.15, 245)
    for angle in np.linspace(0.2, 2 * np.pi, 11):
        oval(x + half * 0.88 * np.cos(angle), y + tall * 0.86 * np.sin(angle), 9, 5, 230)
    grey = np.asarray(image.rotate(rng.uniform(-6, 6))).astype(float)
    grey = ndimage.gaussian_filter(grey, 1.2) + rng.normal(0, rng.uniform(2, 10), (size, size))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


MADE: Mapping[str, Mapping[str, Change]] = {
    "skin": {"bare skin, cut": corner},
    "xray": {"inverted films": inverted, "two films": side_by_side, "films on their side": turned},
    "breast": {"Doppler": doppler, "two ultrasounds": side_by_side, "inverted ultrasounds": inverted},
}
"""Strangers made of a model's own pictures."""
DRAWN_OF: Mapping[str, Mapping[str, Draw]] = {
    "skin": {"bare skin, drawn": bare_skin, "CT slices, drawn": ct_slice},
    "xray": {"CT slices, drawn": ct_slice, "bare skin, drawn": bare_skin},
    "breast": {"CT slices, drawn": ct_slice, "bare skin, drawn": bare_skin},
}


def part_of(name: str) -> Part:
    """Which half something belongs to, by its name."""
    return "learn" if sha256(name.encode()).digest()[0] % 2 else "check"


def strangers(model: str, data: Path, part: Part, spec: ImagePreprocessing) -> dict[str, UInt8Array]:
    """The tensors (n, size, size, 3) of each kind of stranger of a model, of one half."""

    def tensors(pictures: Iterator[UInt8Array]) -> UInt8Array:
        return np.stack([to_tensor(Image.fromarray(np.ascontiguousarray(picture)), spec) for picture in pictures])

    found: dict[str, UInt8Array] = {}
    for kind, source in SOURCES.items():
        if kind not in OWN[model]:
            found[kind] = tensors(iter(_pictures(_chosen(source.load(data / source.folder), part, TAKEN // 2))))
    ecgs = [path for folder in ECGS for path in sorted((data / folder).glob("*.jpg")) if part_of(path.name) == part]
    found["ECG sheets"] = tensors(iter([np.asarray(decode(path.read_bytes(), max_pixels=MAX_PIXELS)) for path in ecgs]))
    own = _pictures(_chosen(own_samples(model, data), part, TAKEN))
    for kind, change in MADE[model].items():
        rng = np.random.default_rng([SEED, part == "learn"])
        found[kind] = tensors(change(picture, rng) for picture in own)
    for kind, draw in {**DRAWN_OF[model], **DRAWN_KINDS}.items():
        rngs = (np.random.default_rng([SEED, part == "learn", number]) for number in range(DRAWN))
        found[kind] = tensors(draw(rng) for rng in rngs)
    return found


def sources_of(model: str) -> tuple[DataSource, ...]:
    """The sets whose pictures are strangers to a model, on their own terms."""
    others = [source.terms for kind, source in SOURCES.items() if kind not in OWN[model]]
    return tuple(each.model_copy(update={"use": TAUGHT}) for each in (*others, *ECGS.values()))


def own_samples(model: str, data: Path) -> list[Sample]:
    """The pictures of a model's own sets."""
    return [sample for kind in OWN[model] for sample in SOURCES[kind].load(data / SOURCES[kind].folder)]


def _chosen(samples: Sequence[Sample], part: Part, most: int) -> list[Sample]:
    """At most so many samples of a half, as many of each set, drawn once."""
    by_set: dict[str, list[Sample]] = {}
    for sample in samples:
        if part_of(sample.group) == part:
            by_set.setdefault(sample.source, []).append(sample)
    found = []
    for several in by_set.values():
        order = np.random.default_rng(SEED).permutation(len(several))[: max(1, most // len(by_set))]
        found += [several[index] for index in order]
    return found


def _pictures(samples: Sequence[Sample]) -> list[UInt8Array]:
    return for_each(lambda sample: np.asarray(decode(sample.path.read_bytes(), max_pixels=MAX_PIXELS)), samples)


@dataclass(frozen=True)
class Classifier:
    """A linear score of features (n, d): above 0 a stranger."""

    weights: NDArray[np.float32]
    bias: float


def fit_classifier(
    own: NDArray[np.float32], others: NDArray[np.float32], checked: NDArray[np.float32], false_alarms: float
) -> Classifier:
    """Tell features of strangers (n, d) from those of one's own (m, d), so that this share, 0-1, of other pictures of
    one's own, `checked`, scores above 0."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features = np.concatenate([own, others]).astype(np.float64)
    scaler = StandardScaler().fit(features)
    labels = np.repeat([0, 1], [len(own), len(others)])
    found = LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000).fit(scaler.transform(features), labels)
    weights = found.coef_[0] / scaler.scale_
    bias = float(found.intercept_[0] - scaler.mean_ @ weights)
    cut = float(np.quantile(checked @ weights + bias, 1.0 - false_alarms))
    return Classifier(weights.astype(np.float32), bias - cut)


def with_classifier(model: "ModelProto", classifier: Classifier, threshold: float) -> "ModelProto":
    """The network with the classifier in its `novelty`, which is then above `threshold` where a picture scores above 0;
    it takes the place of an earlier one."""
    from onnx import ModelProto, helper, numpy_helper

    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    constants = {
        f"{_PREFIX}weights": classifier.weights[:, None].astype(np.float32),
        f"{_PREFIX}bias": np.array([classifier.bias], np.float32),
        f"{_PREFIX}threshold": np.float32(threshold),
        f"{_PREFIX}least": np.float32(-10.0),
        f"{_PREFIX}most": np.float32(10.0),
        f"{_PREFIX}axis": np.array([1], np.int64),
    }
    kept = [each for each in graph.initializer if not each.name.startswith(_PREFIX)]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *(numpy_helper.from_array(value, name) for name, value in constants.items())])
    if any(node.name.startswith(_PREFIX) for node in graph.node):
        return changed
    features = features_behind(changed)
    for node in graph.node:
        for index, output in enumerate(node.output):
            if output == NOVELTY:
                node.output[index] = f"{_PREFIX}gaussian"
    steps = [
        ("Gemm", [features, f"{_PREFIX}weights", f"{_PREFIX}bias"], "score"),
        ("Squeeze", [f"{_PREFIX}score", f"{_PREFIX}axis"], "scores"),
        ("Clip", [f"{_PREFIX}scores", f"{_PREFIX}least", f"{_PREFIX}most"], "clipped"),
        ("Exp", [f"{_PREFIX}clipped"], "exponential"),
        ("Mul", [f"{_PREFIX}exponential", f"{_PREFIX}threshold"], "scaled"),
    ]
    for kind, inputs, output in steps:
        graph.node.append(helper.make_node(kind, inputs, [f"{_PREFIX}{output}"], name=f"{_PREFIX}{output}_node"))
    last = helper.make_node("Max", [f"{_PREFIX}gaussian", f"{_PREFIX}scaled"], [NOVELTY], name=f"{_PREFIX}novelty_node")
    graph.node.append(last)
    return changed


def add_classifier(
    file: Path, threshold: float, own: UInt8Array, others: UInt8Array, checked: UInt8Array, false_alarms: float
) -> None:
    """Put a classifier of strangers into the network in `file`, from tensors (n, size, size, 3) of one's own pictures,
    of strangers, and of one's own that set where it begins; the share `false_alarms` of the latter lies above."""
    import onnx

    model = onnx.load(str(file))
    found = [features_of(model, tensors) for tensors in (own, others, checked)]
    onnx.save(with_classifier(model, fit_classifier(found[0], found[1], found[2], false_alarms), threshold), str(file))


def features_of(model: "ModelProto", tensors: UInt8Array) -> NDArray[np.float32]:
    """The features (n, d) that the network's novelty is made of."""
    import onnx
    from onnx import ModelProto, TensorProto, helper

    tapped = ModelProto()
    tapped.CopyFrom(model)
    features = features_behind(tapped)
    tapped.graph.output.append(helper.make_tensor_value_info(features, TensorProto.FLOAT, None))
    with TemporaryDirectory() as folder:
        onnx.save(tapped, f"{folder}/tapped.onnx")
        return predict(Path(folder) / "tapped.onnx", tensors)[features]
