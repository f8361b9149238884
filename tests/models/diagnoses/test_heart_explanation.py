"""Which leads and seconds speak for what is named, by the networks that ship."""

from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.diagnoses.diagnosis import Explained
from models.diagnoses.heart import HEART_IMAGE, HEART_RECORD
from models.diagnoses.heart.explanation import LEAD_ACTIVATION, RAISED, _far, hottest_of
from models.diagnoses.heart.figures import Levels
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.preprocessing.ecg_record import LEADS
from models.preprocessing.inputs import Limits
from models.serving.engine import CLASS_ACTIVATION, Engine
from models.serving.loading import read_newest_bundle
from models.serving.registry import Prediction, _summarise
from schemas.heart import HeartReading
from tests.ecgs import made_up
from tests.pictures import encode
from tests.records import counts_of, header_of, signal_of
from tests.sheets import sheet

BUNDLES = Path("models/bundles")
LIMITS = Limits(max_pixels=40_000_000)
BUNDLE = read_newest_bundle(BUNDLES / "heart_record")
ENGINE = Engine(BUNDLE)


def _sent(millivolts: np.ndarray, rate: float = 500) -> SentHeartRecord:
    counts = counts_of(millivolts)
    return SentHeartRecord(header_of(counts, rate=rate), signal_of(counts))


def _explained(sent: SentHeartRecord) -> tuple[Explained[HeartReading], Prediction]:
    prepared = HEART_RECORD.reads.prepare(sent, BUNDLE.metadata.preprocessing, LIMITS)
    batch = ENGINE.run(prepared.tensors)
    windows = [{name: values[row] for name, values in batch.items()} for row in range(len(prepared.tensors))]
    prediction = Prediction(BUNDLE.metadata, _summarise(windows), {})
    return HEART_RECORD.explained(sent, prediction, prepared, ENGINE.run), prediction


def test_the_cells_and_a_constant_are_the_log_odds_of_what_ships() -> None:
    rng = np.random.default_rng(1)
    tensors = rng.normal(0, 0.2, (4, *BUNDLE.metadata.signal_preprocessing.tensor_shape)).astype(np.float32)
    tensors[:, -1] = 0
    outputs = ENGINE.run(tensors)
    chances = outputs["probabilities"].astype(np.float64)
    constant = (
        outputs[CLASS_ACTIVATION].sum(axis=(2, 3)) - np.log(chances / (1 - chances)) * BUNDLE.metadata.temperature
    )
    assert constant == pytest.approx(np.broadcast_to(constant[:1], constant.shape), abs=0.02)


def test_a_record_is_explained_lead_by_lead_and_second_by_second() -> None:
    explained, prediction = _explained(_sent(made_up(seconds=25).signal))
    found = explained.explanation
    assert explained.reliability.accepted
    assert found
    assert (found.kind, found.method, found.code) == ("leads", LEAD_ACTIVATION, explained.reading.prediction.code)
    assert (found.rows, found.seconds) == (LEADS, tuple(float(second) for second in range(20)))
    cells = prediction.outputs[CLASS_ACTIVATION][BUNDLE.metadata.explains.index(found.code or "")]
    assert np.array(found.values) == pytest.approx(cells / BUNDLE.metadata.temperature, abs=1e-4)
    assert [each.name for each in found.weights] == [LEADS[place] for place in np.argsort(-cells.sum(axis=1))]
    assert found.parts[0].startswith(f"{found.weights[0].name}, seconds ")
    assert "mV" in found.parts[0]
    assert "not where the heart is ill" in found.limits
    assert found.overlay
    picture = Image.open(BytesIO(b64decode(found.overlay.split(",")[1])))
    assert picture.height == 12 * 44


def test_nothing_is_explained_of_a_record_that_is_not_accepted() -> None:
    flat = made_up().signal.copy()
    flat[:, LEADS.index("V3")] = 0
    explained, _ = _explained(_sent(flat))
    assert not explained.reliability.accepted
    assert explained.explanation is None


def test_raised_st_levels_stand_beside_what_the_network_weighs() -> None:
    explained, _ = _explained(_sent(made_up(st={"V2": 0.4, "V3": 0.3}).signal))
    assert explained.explanation
    told = next(part for part in explained.explanation.parts if part.startswith(RAISED))
    assert "V2 +0.3" in told
    assert "V3 +0.2" in told
    assert "V6" not in told


def test_leads_that_are_raised_together_are_told_before_one_alone() -> None:
    levels = np.zeros(12, np.float32)
    for lead, level in {"V2": 0.4, "III": 0.25, "aVF": 0.2, "II": 0.15}.items():
        levels[LEADS.index(lead)] = level
    nothing = np.zeros(12, np.float32)
    found = _far(Levels(levels, nothing, nothing, nothing, nothing, nothing), 1)
    assert [LEADS[place] for place in found] == ["III", "aVF", "II", "V2"]
    unsure = np.where(np.array(LEADS) == "aVF", 1, 0).astype(np.float32)
    found = _far(Levels(levels, nothing, nothing, nothing, nothing, unsure), 1)
    assert [LEADS[place] for place in found] == ["V2", "II", "III"], "what stands beside III is not known"
    assert not _far(Levels(levels, nothing, nothing, nothing, nothing, nothing), -1)


def test_a_fifth_is_named_and_nothing_that_speaks_against() -> None:
    cells = np.arange(120.0).reshape(12, 10) - 100
    named = hottest_of(cells)
    assert named.sum() == 19
    assert cells[named].min() == 1
    assert hottest_of(np.ones((12, 1))).sum() == 2


def test_a_sheet_marks_the_leads_that_speak_and_tells_when_it_shows_them() -> None:
    bundle = read_newest_bundle(BUNDLES / "heart_image")
    sent = SentSheet(encode(sheet()))
    prepared = HEART_IMAGE.reads.prepare(sent, bundle.metadata.preprocessing, LIMITS)
    prepared = replace(prepared, sheet=replace(prepared.sheet, fault=None))
    outputs = {name: values[0] for name, values in Engine(bundle).run(prepared.tensors).items()}
    cells = np.zeros((5, 12, 1), np.float32)
    cells[:, LEADS.index("V5")] = 2
    cells[:, LEADS.index("aVL")] = 1
    metadata = bundle.metadata.model_copy(update={"explains": bundle.metadata.classes, "temperature": 1.0})
    prediction = Prediction(metadata, {**outputs, CLASS_ACTIVATION: cells}, {})
    found = HEART_IMAGE.explained(sent, prediction, prepared, Engine(bundle).run).explanation
    assert found
    assert (found.kind, found.seconds, len(found.values)) == ("leads", (0.0,), 12)
    assert [(each.name, each.log_odds) for each in found.weights[:2]] == [("V5", 2.0), ("aVL", 1.0)]
    assert found.parts[0].startswith("V5, seconds 7.5 to 10")
    assert found.parts[1].startswith("aVL, seconds 2.5 to 5")
    mapless = replace(prediction, metadata=metadata.model_copy(update={"explains": ()}))
    alone = HEART_IMAGE.explained(sent, mapless, prepared, Engine(bundle).run)
    assert alone.explanation
    assert alone.explanation.kind == "overlay"
    assert alone.explanation.overlay != found.overlay
