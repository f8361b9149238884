"""Explanations say what the network that answered makes of each place, symptom or value."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import log_softmax

from models.diagnoses.breast import BREAST, SentUltrasound
from models.diagnoses.breast.explanation import ROWS
from models.diagnoses.disease import DISEASE
from models.diagnoses.disease.interpretation import understand
from models.diagnoses.explaining import Answered, enlarged, for_class, heat_of
from models.diagnoses.heart_risk import HEART_RISK
from models.diagnoses.skin import SKIN
from models.preprocessing.inputs import Limits, SentPicture
from models.preprocessing.picture import ImagePreprocessing, shown
from models.samples.pictures import ultrasound
from models.serving.bundle import LEARNED_OCCLUSION
from models.serving.engine import CLASS_ACTIVATION, Engine
from models.serving.loading import read_newest_bundle
from models.serving.registry import Prediction
from schemas.common import Explanation, Reliability
from schemas.disease import DiseaseRequest
from tests.pictures import encode, plain

BUNDLES = Path("models/bundles")
LIMITS = Limits(max_pixels=40_000_000)


def _picture(uri: str | None) -> Image.Image:
    assert uri
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_the_log_odds_of_a_class_grow_by_what_each_place_adds() -> None:
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(3, 4, 4))
    step = 1e-5
    logits = maps.mean(axis=(1, 2))

    def log_odds(values: np.ndarray) -> float:
        chances = np.exp(log_softmax(values))
        return float(np.log(chances[0] / (1 - chances[0])))

    added = for_class(maps, np.exp(log_softmax(logits)), 0)
    for place in ((0, 0), (2, 3)):
        more = logits + step * maps[(slice(None), *place)] / 16
        assert (log_odds(more) - log_odds(logits)) / step == pytest.approx(added[place], abs=1e-4)


def test_two_classes_share_one_map_with_opposite_signs() -> None:
    maps = np.random.default_rng(2).normal(size=(2, 3, 3)).astype(np.float32)
    chances = np.array([0.9, 0.1], np.float32)
    assert for_class(maps, chances, 0) == pytest.approx(-for_class(maps, chances, 1), abs=1e-6)
    assert for_class(maps, chances, 1) == pytest.approx((maps[1] - maps[0]) / 9, abs=1e-6)


def test_heat_is_highest_where_the_map_is_and_nothing_where_it_is_even() -> None:
    values = np.zeros((7, 7))
    values[1, 5] = 1
    heat = heat_of(values, 224)
    row, column = divmod(int(enlarged(values, 224).argmax()), 224)
    assert heat[row, column] == 255
    assert (row // 32, column // 32) == (1, 5)
    assert heat_of(np.ones((7, 7)), 224).max() == 0


@pytest.mark.parametrize(
    ("framing", "size", "box"),
    [
        ("middle_square", (400, 200), (0.25, 0, 0.75, 1)),
        ("letterbox", (400, 200), (0, -0.5, 1, 1.5)),
        ("squash", (400, 200), (0, 0, 1, 1)),
    ],
)
def test_the_box_is_what_the_tensor_shows_of_the_picture(
    framing: str, size: tuple[int, int], box: tuple[float, ...]
) -> None:
    spec = ImagePreprocessing.model_validate({"size": 224, "framing": framing})
    assert shown(size, spec) == pytest.approx(box)


def test_the_box_of_a_part_lies_in_that_part() -> None:
    spec = ImagePreprocessing(size=224, framing="middle_square")
    assert shown((200, 100), spec, (0.2, 0.4, 0.6, 0.8)) == pytest.approx((0.3, 0.4, 0.5, 0.8))


@pytest.mark.parametrize("name", ["skin", "xray", "breast"])
def test_what_ships_has_a_learned_map(name: str) -> None:
    bundle = read_newest_bundle(BUNDLES / name)
    assert bundle.metadata.map_method == LEARNED_OCCLUSION
    assert bundle.metadata.explains == (ROWS if name == "breast" else bundle.metadata.classes)
    outputs = Engine(bundle).run(np.full((2, 224, 224, 3), 90, np.uint8))
    assert outputs[CLASS_ACTIVATION].shape == (2, len(bundle.metadata.explains), 7, 7)
    assert np.ptp(outputs[CLASS_ACTIVATION]) > 0


def _explained(diagnosis: object, name: str, sent: object) -> tuple[Explanation | None, Prediction]:
    engine = Engine(bundle := read_newest_bundle(BUNDLES / name))
    prepared = diagnosis.reads.prepare(sent, bundle.metadata.preprocessing, LIMITS)  # type: ignore[attr-defined]
    outputs = {key: values[0] for key, values in engine.run(prepared.tensors).items()}
    prediction = Prediction(bundle.metadata, outputs, {})
    return diagnosis.explained(sent, prediction, prepared, engine.run).explanation, prediction  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "explained"), [("1", "not lesion"), ("4", "lesion")])
def test_a_breast_picture_is_explained_by_its_lesion(code: str, explained: str) -> None:
    engine, sent = Engine(bundle := read_newest_bundle(BUNDLES / "breast")), SentUltrasound(ultrasound())
    prepared = BREAST.reads.prepare(sent, bundle.metadata.preprocessing, LIMITS)
    outputs = {key: values[0] for key, values in engine.run(prepared.tensors).items()}
    prediction = Prediction(bundle.metadata, outputs, {})
    reading = BREAST.reading_of(prediction, prepared, sent, Reliability(accepted=True))
    reading = reading.model_copy(update={"prediction": reading.prediction.model_copy(update={"code": code})})
    answered = Answered(sent, prepared, prediction, reading, Reliability(accepted=True), engine.run)
    found = BREAST.explain(answered)
    assert found
    assert found.code == explained
    assert found.method == LEARNED_OCCLUSION
    sign = -1 if code == "1" else 1
    assert np.array(found.values) == pytest.approx(sign * outputs[CLASS_ACTIVATION][0] / 49, abs=1e-4)
    assert (_picture(found.map).size, _picture(found.overlay).size) == ((128, 128), (128, 128))
    opacity = np.asarray(_picture(found.map).convert("RGBA"))[..., 3]
    assert (opacity.min(), opacity.max()) == (0, 190)
    assert "not where a disease is" in found.limits
    assert BREAST.explain(replace(answered, reliability=Reliability(accepted=False, reason="no"))) is None


def test_a_picture_that_is_not_accepted_has_no_map() -> None:
    found, _ = _explained(SKIN, "skin", SentPicture(encode(plain((0, 0, 0)))))
    assert found is None


def test_weights_of_symptoms_are_what_the_log_odds_lose_without_them() -> None:
    case = understand(DiseaseRequest(symptoms=["fever", "cough"], text="no rash", age=40, sex="male"))
    found, prediction = _explained(DISEASE, "disease", case)
    assert found
    assert found.kind == "weights"
    assert {each.name for each in found.weights} >= {"fever", "cough", "male"}
    assert len({each.about for each in found.weights}) == 3
    without = understand(DiseaseRequest(symptoms=["cough"], text="no rash", age=40, sex="male"))
    _, other = _explained(DISEASE, "disease", without)
    for each in found.weights:
        if each.name == "fever":
            place = prediction.metadata.classes.index(each.about)
            odds = [np.log(p[place] / (1 - p[place])) for p in (prediction.probabilities, other.probabilities)]
            assert each.log_odds == pytest.approx(odds[0] - odds[1], abs=2e-3)


def test_weights_of_a_risk_form_are_its_contributions() -> None:
    form = HEART_RISK.example()
    found, _ = _explained(HEART_RISK, "heart_risk", form)
    assert found
    assert found.weights[0].about == "narrowed"
    assert "age" in {each.name for each in found.weights}
