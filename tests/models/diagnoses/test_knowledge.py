"""The knowledge files: complete, sourced, cautious, and refused when malformed."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import models
from models.diagnoses.breast.knowledge import breast_knowledge
from models.diagnoses.catalogue import DIAGNOSES
from models.diagnoses.disease.knowledge import (
    RedFlagRule,
    disease_knowledge,
    negation_knowledge,
    red_flag_knowledge,
    symptom_knowledge,
    unconfirmed_urgencies,
)
from models.diagnoses.heart.knowledge import HeartKnowledge, heart_knowledge
from models.diagnoses.heart_risk.knowledge import Grade, heart_risk_knowledge, prevent_knowledge
from models.diagnoses.knowledge import Document, KnowledgeError, Sourced, common_knowledge, parse
from models.diagnoses.skin.knowledge import SkinKnowledge, skin_knowledge
from models.diagnoses.xray.knowledge import xray_knowledge
from schemas.heart_risk import RiskLevel

DOCUMENTS: list[Document] = list(
    {
        type(document): document
        for document in (
            common_knowledge(),
            *(diagnosis.knowledge for diagnosis in DIAGNOSES),
            symptom_knowledge(),
            negation_knowledge(),
            red_flag_knowledge(),
            prevent_knowledge(),
        )
    }.values()
)
FILES = [type(document).__name__ for document in DOCUMENTS]
CLAIM = re.compile(
    r"\bstage\s+[0-4IV]|\bT[0-4]\b|\bgrade\s+[0-4IV]|\byou (have|suffer)\b"
    r"|\b(definitely|certainly|guarantee\w*|cured?)\b|100 ?%",
    re.IGNORECASE,
)


def nodes_in(node: object, *, under: Callable[[object], object] = lambda node: node) -> Iterator[object]:
    """A part of a document and all parts of it; of each, those of what `under` makes of it."""
    yield node
    inside = under(node)
    children: Iterable[object] = ()
    if isinstance(inside, BaseModel):
        children = (child for _, child in inside)
    elif isinstance(inside, dict):
        children = inside.values()
    elif isinstance(inside, tuple):
        children = inside
    for child in children:
        yield from nodes_in(child, under=under)


def texts_in(node: object) -> Iterator[str]:
    """All texts of a part, keys of sources too."""
    return (each for each in nodes_in(node) if isinstance(each, str))


def texts_of(node: object) -> Iterator[str]:
    """The texts of a part, without the keys of its sources."""
    told = nodes_in(node, under=lambda each: (each.value,) if isinstance(each, Sourced) else each)
    return (each for each in told if isinstance(each, str))


def sources_in(node: object) -> Iterator[str]:
    return (each.source for each in nodes_in(node) if isinstance(each, Sourced | Grade | RedFlagRule))


@pytest.mark.parametrize("document", DOCUMENTS, ids=FILES)
def test_every_block_cites_a_listed_source(document: Document) -> None:
    cited = [key for source in sources_in(document) for key in source.split(", ")]
    assert cited
    assert set(cited) == set(document.sources)


@pytest.mark.parametrize("document", DOCUMENTS, ids=FILES)
def test_no_text_is_empty_or_claims_a_stage_or_a_certainty(document: Document) -> None:
    for _, block in document:
        for text in texts_in(block):
            assert text.strip() == text != ""
            assert not CLAIM.search(text), text


def test_no_sentence_of_an_advice_starts_or_ends_in_the_middle() -> None:
    disease, heart_risk = disease_knowledge(), heart_risk_knowledge()
    told = [
        text for block in (disease.groups, disease.advice, disease.graded, disease.rule_out) for text in texts_of(block)
    ]
    told += [said.value.action for said in disease.urgencies.values()]
    told += [text for band in heart_risk.bands for text in band.recommendations.value]
    told += [rule.name for rule in red_flag_knowledge().rules]
    assert len(told) > 250
    for text in told:
        assert re.match(r"[A-Z0-9\"]", text), text
        assert not re.search(r"(,|;|:|-|\b(and|or|but|the|a|of|to|with|if))$", text), text
        assert text.count("(") == text.count(")"), text


def test_what_is_unconfirmed_is_counted_in_the_card() -> None:
    flags = red_flag_knowledge()
    unread = [
        rule for rule in flags.rules if any("unconfirmed" in flags.sources[key] for key in rule.source.split(", "))
    ]
    card = (Path(models.__file__).parent / "bundles" / "disease" / "1.1.0" / "card.md").read_text(encoding="utf-8")
    counted = f"Of {len(disease_knowledge().diseases.value)} urgencies {len(unconfirmed_urgencies())} are unconfirmed"
    assert counted in card
    assert f"Of {len(flags.rules)} red flags {len(unread)} are unconfirmed" in card


def test_a_red_flag_suspects_known_diseases() -> None:
    suspected = {name for rule in red_flag_knowledge().rules for name in rule.suspects}
    assert suspected <= disease_knowledge().diseases.value.keys()


@pytest.mark.parametrize("text", ["Stage II melanoma", "stage 0", "You have cancer", "definitely benign", "T2 tumour"])
def test_the_claim_pattern_finds_claims(text: str) -> None:
    assert CLAIM.search(text)


def test_names_and_codes_are_the_contracts_in_order() -> None:
    assert [(known.code, known.name, known.type, known.severity) for known in skin_knowledge().classes] == [
        ("akiec", "Actinic Keratoses", "pre-cancerous", "moderate"),
        ("bcc", "Basal Cell Carcinoma", "malignant", "moderate"),
        ("bkl", "Benign Keratosis", "benign", "low"),
        ("df", "Dermatofibroma", "benign", "low"),
        ("mel", "Melanoma", "malignant", "critical"),
        ("nv", "Melanocytic Nevi", "benign", "low"),
        ("vasc", "Vascular Lesions", "benign", "low"),
    ]
    assert [(known.code, known.name) for known in xray_knowledge().classes] == [
        ("normal", "Normal"),
        ("pneumonia", "Pneumonia"),
    ]
    assert [(known.code, known.name) for known in heart_knowledge().classes] == [
        ("NORM", "Normal"),
        ("MI", "Myocardial Infarction"),
        ("STTC", "ST/T Changes"),
        ("CD", "Conduction Disturbance"),
        ("HYP", "Hypertrophy"),
    ]
    assert [(known.code, known.name) for known in breast_knowledge().categories] == [
        ("1", "Normal"),
        ("2", "Benign Finding"),
        ("3", "Probably Benign"),
        ("4", "Suspicious"),
        ("5", "Highly Suggestive"),
        ("6", "Malignant"),
    ]


def test_a_malignant_lesion_is_never_staged_nor_called_benign() -> None:
    malignant = [known for known in skin_knowledge().classes if known.type == "malignant"]
    assert len(malignant) == 2
    for known in malignant:
        assert known.staging.value.stage == "Cannot be staged from a picture"
        assert known.urgency.value.color in ("orange", "red")
        assert not re.search(r"benign|no treatment", " ".join(texts_in(known)), re.IGNORECASE)


def test_advice_is_as_grave_as_its_class() -> None:
    assert all(known.recommendations.value.level == known.severity for known in skin_knowledge().classes)
    assert all(known.recommendations.value.level == known.severity for known in breast_knowledge().categories)


def test_birads_bands_are_the_atlas_and_leave_no_gap() -> None:
    suspicious = breast_knowledge().categories[3]
    assert suspicious.likelihood is not None
    bands = {name: known.likelihood.value for name, known in suspicious.subcategories.items()}
    assert [(name, band.above, band.up_to) for name, band in bands.items()] == [
        ("4A", 0.02, 0.10),
        ("4B", 0.10, 0.50),
        ("4C", 0.50, 0.95),
    ]
    assert (suspicious.likelihood.value.above, suspicious.likelihood.value.up_to) == (0.02, 0.95)
    whole = [known.likelihood.value for known in breast_knowledge().categories if known.likelihood]
    assert all(band.up_to == following.above for band, following in pairwise(whole))
    assert whole[-1].up_to == 1


def test_risk_bands_and_grades_ascend() -> None:
    document = heart_risk_knowledge()
    assert tuple(band.level for band in document.bands) == get_args(RiskLevel)
    ends = [band.up_to.value for band in document.bands]
    assert ends == sorted(set(ends))
    assert ends[-1] == 1
    for _, grades in document.grades:
        starts = [grade.at_least for grade in grades]
        assert starts[0] == 0
        assert starts == sorted(set(starts))


def test_the_vocabulary_is_readable_and_names_each_symptom_once() -> None:
    names = [name for symptoms in symptom_knowledge().symptoms.value.values() for name in symptoms]
    assert len(names) >= 400
    assert len(set(names)) == len(names)
    assert {"fever", "cough", "headache", "fatigue"} <= set(names)
    assert all(re.fullmatch(r"[a-z -]+", name) for name in names)
    kinds = symptom_knowledge().kinds.value
    assert {name for name, wider in kinds.items() for name in (name, *wider)} <= set(names)


def test_diseases_are_named_once_in_full() -> None:
    diseases = disease_knowledge().diseases.value
    assert len(diseases) >= 150
    assert {"Common Cold", "Influenza", "COVID-19"} <= diseases.keys()
    assert len({name.casefold() for name in diseases}) == len(diseases)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"sources: [", "while parsing"),
        (b"", "valid"),
        (b"- a list", "valid"),
        (b"sources: {a: A}\nclasses: []", "never cited: a"),
        (
            b"sources: {a: A}\nclasses: []\ndefault_threshold: {source: b, text: 0.5}",
            "cited but not in `sources`",
        ),
        (b"sources: {a: A}\nclasses: []\ndefault_threshold: {source: a, text: 7}", "default_threshold"),
        (b"sources: {a: A}\nclasses: []\ndefault_threshold: {source: a, text: 0.5}\nmore: 1", "more"),
        (b"!!python/object/apply:os.getcwd []", "constructor"),
    ],
)
def test_a_malformed_file_is_named(content: bytes, complaint: str) -> None:
    with pytest.raises(KnowledgeError, match=r"^Knowledge file heart\.yaml is not valid: ") as caught:
        parse("heart.yaml", content, HeartKnowledge)
    assert complaint in str(caught.value)


def test_files_are_read_once() -> None:
    assert skin_knowledge() is skin_knowledge()
    assert isinstance(skin_knowledge(), SkinKnowledge)
