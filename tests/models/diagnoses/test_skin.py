"""Skin readings: class texts, and the rules that follow suspicion rather than the lead."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.diagnoses.probabilities import gravity
from models.diagnoses.skin import interpretation as skin
from models.diagnoses.skin.knowledge import skin_knowledge
from models.serving.bundle import Metadata
from schemas.common import Reliability
from schemas.skin import SkinReading
from tests import contract
from tests.models.serving.metadata import make_metadata

CODES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
CLASSES = dict(zip(CODES, skin_knowledge().classes, strict=True))
METADATA = make_metadata("skin", CODES, mel=0.2, bcc=0.3)


def probabilities(**shares: float) -> NDArray[np.float32]:
    """The shares named, and the rest in `nv`."""
    shares.setdefault("nv", 1 - sum(shares.values()))
    return np.array([shares.get(code, 0.0) for code in CODES], dtype=np.float32)


def read(values: NDArray[np.float32], metadata: Metadata = METADATA) -> SkinReading:
    return skin.interpret({"probabilities": values}, metadata)


def distributions() -> st.SearchStrategy[NDArray[np.float32]]:
    weights = st.lists(st.floats(0, 1), min_size=7, max_size=7).filter(lambda shares: sum(shares) > 0.01)
    return weights.map(lambda shares: (np.array(shares) / sum(shares)).astype(np.float32))


@pytest.mark.parametrize("code", CODES)
def test_a_clear_lead_answers_the_texts_of_its_class(code: str) -> None:
    reading = read(probabilities(**{code: 0.97, "nv": 1.0 if code == "nv" else 0.03}))
    known = CLASSES[code]
    assert reading.prediction.class_id == CODES.index(code)
    assert (reading.prediction.name, reading.prediction.type) == (known.name, known.type)
    assert reading.severity == known.severity
    assert reading.staging == known.staging.value
    assert reading.urgency == known.urgency.value
    assert reading.treatment_options == known.treatment_options.value
    assert reading.recommendations == known.recommendations.value
    assert reading.escalation is None


def test_a_benign_lead_with_melanoma_at_its_operating_point_does_not_reassure() -> None:
    reading = read(probabilities(mel=0.25))
    melanoma = CLASSES["mel"]
    assert (reading.prediction.settled, reading.prediction.code) == (False, "mel")
    assert reading.prediction.name == "Not settled: Melanoma not excluded"
    assert (reading.prediction.type, reading.prediction.confidence) == ("malignant", 0.25)
    assert reading.severity == "uncertain"
    assert reading.urgency == melanoma.urgency.value
    assert reading.treatment_options == melanoma.treatment_options.value
    assert reading.recommendations.level == "uncertain"
    assert reading.recommendations.title == "Melanoma Not Ruled Out - Have It Examined"
    assert reading.recommendations.actions == melanoma.recommendations.value.actions
    assert reading.staging.stage == "Not settled by the picture"
    assert reading.escalation is not None
    assert (reading.escalation.code, reading.escalation.probability) == ("mel", 0.25)
    assert reading.escalation.reason == reading.recommendations.message
    assert reading.escalation.reason == (
        "The picture looks most like Melanocytic Nevi (75.0%), but Melanoma has 25.0%. From 20.0% on it is not passed "
        "over: 90.0% of such lesions reached that when the model was checked."
    )


def test_the_operating_point_itself_counts_and_just_below_does_not() -> None:
    at = read(probabilities(mel=0.0625), make_metadata("skin", CODES, mel=0.0625))
    below = read(probabilities(mel=0.0625), make_metadata("skin", CODES, mel=0.063))
    assert at.escalation is not None
    assert below.escalation is None
    assert below.severity == "low"


def test_of_two_suspects_the_graver_decides() -> None:
    reading = read(probabilities(bcc=0.35, mel=0.21))
    assert reading.prediction.name == "Not settled: Melanoma not excluded"
    assert reading.escalation is not None
    assert reading.escalation.code == "mel"


def test_melanoma_raises_a_milder_cancer_that_leads() -> None:
    reading = read(probabilities(bcc=0.6, mel=0.3))
    assert reading.prediction.name == "Basal Cell Carcinoma"
    assert reading.severity == "critical"
    assert reading.escalation is not None


def test_a_milder_suspect_never_lowers_a_graver_lead() -> None:
    reading = read(probabilities(mel=0.5, bcc=0.4))
    assert reading.prediction.name == "Melanoma"
    assert reading.severity == "critical"
    assert reading.escalation is None


def test_suspicious_classes_that_outweigh_a_benign_lead_raise_it_without_any_operating_point() -> None:
    reading = read(probabilities(akiec=0.18, bcc=0.19, mel=0.2), make_metadata("skin", CODES))
    assert reading.prediction.name == "Not settled: Melanoma not excluded"
    assert reading.urgency == CLASSES["mel"].urgency.value
    assert reading.escalation is not None
    assert reading.escalation.reason == (
        "The picture looks most like Melanocytic Nevi (43.0%), but the malignant and pre-cancerous kinds together "
        "have 57.0%, Melanoma the most of it (20.0%). From 10.0% on that is not passed over."
    )


def test_a_third_that_is_suspicious_is_not_routine_and_the_bundle_may_ask_for_less() -> None:
    values = probabilities(akiec=0.1, bcc=0.11, mel=0.1)
    assert read(values, make_metadata("skin", CODES)).prediction.settled is False
    assert read(values, make_metadata("skin", CODES, suspicious=0.4)).urgency.color == "green"
    assert read(probabilities(mel=0.07), make_metadata("skin", CODES, suspicious=0.06)).prediction.settled is False


def test_a_benign_lead_below_its_own_threshold_settles_nothing() -> None:
    values = probabilities(bkl=0.3, df=0.2, vasc=0.1, mel=0.05)
    reading = read(values, make_metadata("skin", CODES))
    assert (reading.prediction.settled, reading.prediction.code) == (False, "mel")
    assert "too little to tell" in reading.recommendations.message
    assert read(values, make_metadata("skin", CODES, nv=0.3)).prediction.code == "nv"
    assert read(values, make_metadata("skin", CODES, nv=0.3)).prediction.settled


@given(distributions())
def test_a_picture_that_is_not_accepted_rules_nothing_out(values: NDArray[np.float32]) -> None:
    refused = skin.conclude(read(values), METADATA, Reliability(accepted=False, reason="Blurred."))
    assert (refused.prediction.settled, refused.prediction.code, refused.severity) == (False, "mel", "uncertain")
    assert refused.urgency.color != "green"
    assert refused.recommendations.level == "uncertain"
    assert refused.probabilities == read(values).probabilities


def test_the_texts_follow_the_guidelines() -> None:
    assert "28 days" in CLASSES["mel"].urgency.value.timeline
    assert "2 weeks" not in skin_knowledge().model_dump_json()
    assert "Routine referral" in CLASSES["bcc"].urgency.value.timeline
    assert "screenings" not in " ".join(CLASSES["nv"].recommendations.value.actions)
    assert skin_knowledge().not_assessed.value == read(probabilities(nv=1.0)).not_assessed


@given(distributions())
def test_every_distribution_gives_a_consistent_reading(values: NDArray[np.float32]) -> None:
    reading = read(values)
    listed = [each.probability for each in reading.probabilities]
    assert [(each.class_id, each.code) for each in reading.probabilities] == list(enumerate(CODES))
    assert sum(listed) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(listed, values, atol=1e-6)
    assert reading.prediction.confidence == listed[reading.prediction.class_id]
    if reading.prediction.settled:
        assert reading.prediction.confidence == max(listed)
    else:
        assert reading.prediction.name.startswith("Not settled: ")
        assert (reading.severity, reading.prediction.type != "benign") == ("uncertain", True)
    assert reading.prediction.confidence_percent == f"{reading.prediction.confidence:.1%}"
    assert reading.recommendations.level == reading.severity
    lead = CLASSES[CODES[reading.prediction.class_id]]
    assert gravity(reading.severity) >= gravity(lead.severity)
    if listed[CODES.index("mel")] >= 0.2:
        assert reading.severity in ("critical", "uncertain")
        assert reading.urgency.color == "red"
    if reading.urgency.color == "green":
        assert (reading.escalation, reading.prediction.settled, reading.prediction.type) == (None, True, "benign")
        assert sum(listed[CODES.index(code)] for code in ("akiec", "bcc", "mel")) < 0.1


@given(distributions())
def test_a_more_sensitive_operating_point_never_lowers_the_severity(values: NDArray[np.float32]) -> None:
    strict = read(values, make_metadata("skin", CODES, mel=0.5))
    sensitive = read(values, make_metadata("skin", CODES, mel=0.1))
    assert gravity(sensitive.severity) >= gravity(strict.severity)


def test_a_bundle_with_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Bundle skin 1\.0\.0 has the classes bcc, akiec"):
        read(probabilities(), make_metadata("skin", ("bcc", "akiec", *CODES[2:])))


@pytest.mark.parametrize("count", [6, 8])
def test_another_number_of_probabilities_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        read(np.full(count, 1 / count, dtype=np.float32))


def test_a_probability_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="probability"):
        read(np.full(7, np.nan, dtype=np.float32))


def test_the_sample_is_the_contracts_example() -> None:
    sample = json.loads(skin.sample().model_dump_json())
    assert contract.departures(contract.SKIN, sample) == []
    assert sum(each["probability"] for each in sample["probabilities"]) == pytest.approx(1)
    assert [(each["code"], each["name"]) for each in sample["probabilities"]] == [
        (code, known.name) for code, known in CLASSES.items()
    ]
    assert skin.sample() == skin.sample()


def test_existing_clients_find_the_contracts_labels_in_a_live_answer() -> None:
    live = json.loads(read(probabilities(nv=0.89, bkl=0.11)).model_dump_json())
    for field in ("severity", "urgency", "treatment_options"):
        assert live[field] == contract.SKIN[field]
    assert live["staging"]["stage"] == contract.SKIN["staging"]["stage"]
    assert live["recommendations"]["title"] == contract.SKIN["recommendations"]["title"]
