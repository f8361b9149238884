"""Danger signs that are measured: each rule at its limit, for whom it holds, and what is named beside it."""

from typing import Any

import numpy as np
import pytest

from models.diagnoses.heart.alerts import CONTIGUOUS, OF_RECORDS, Tolerance, elevated, limit_of_v2_v3, raise_alerts
from models.diagnoses.heart.beats import sample
from models.diagnoses.heart.figures import Figures, Levels, add_up, measure
from models.diagnoses.heart.knowledge import heart_knowledge
from models.preprocessing.ecg_record import LEADS
from schemas.common import Alert
from schemas.heart import Person
from tests.ecgs import made_up

RULES = heart_knowledge().alerts
LIMITS = RULES.st_elevation.limits.value
ANYBODY = Person()
WOMAN, MAN = Person(sex="female", age=55), Person(sex="male", age=55)
YOUNG_MAN = Person(sex="male", age=30)


def figures(st: dict[str, float] | None = None, *, t: float = 0.3, **values: Any) -> Figures:
    """Figures of a healthy heart but for the levels, mV, and the values given."""
    level = np.array([(st or {}).get(lead, 0.0) for lead in LEADS], np.float32)
    r, s, waves = np.full(12, 1.0, np.float32), np.full(12, -0.5, np.float32), np.full(12, t, np.float32)
    error = values.pop("error", np.full(12, 0.01, np.float32))
    levels = Levels(level, level, values.pop("r", r), values.pop("s", s), waves, error)
    intervals = values.pop("intervals", np.full(9, 850.0))
    given = {"pr": 150.0, "qrs": 90.0, "qt": 380.0, "axis": 40.0, "rate": 60_000 / float(intervals.mean())} | values
    return Figures(beats=10, intervals=intervals, levels=levels, noise=np.full(12, 0.02, np.float32), why={}, **given)


def names(found: Figures, person: Person = ANYBODY, tolerance: Tolerance = OF_RECORDS) -> list[str]:
    return [alert.name for alert in raise_alerts([found], person, tolerance)]


def only(found: Figures, person: Person = ANYBODY) -> Alert:
    (alert,) = raise_alerts([found], person, OF_RECORDS)
    return alert


def test_a_healthy_heart_raises_nothing() -> None:
    assert names(figures()) == []


@pytest.mark.parametrize(("one", "other"), CONTIGUOUS)
def test_two_contiguous_leads_are_needed(one: str, other: str) -> None:
    def level(lead: str, height: float) -> dict[str, float]:
        return {lead.removeprefix("-"): -height if lead.startswith("-") else height}

    both = {**level(one, 0.3), **level(other, 0.3)}
    assert "ST elevation" in names(figures(both))
    for lead in (one, other):
        assert "ST elevation" not in names(figures(level(lead, 0.3)))


def test_leads_that_lie_apart_are_not_contiguous() -> None:
    for pair in (("V1", "V4"), ("II", "V2"), ("aVL", "III"), ("III", "V6")):
        assert names(figures(dict.fromkeys(pair, 0.3))) == []


@pytest.mark.parametrize(
    ("person", "limit"),
    [
        (ANYBODY, 0.15),
        (Person(age=30), 0.15),
        (Person(sex="male"), 0.2),
        (Person(sex="female"), 0.15),
        (WOMAN, 0.15),
        (MAN, 0.2),
        (Person(sex="male", age=40), 0.2),
        (YOUNG_MAN, 0.25),
    ],
)
def test_the_limit_of_v2_and_v3_is_that_of_age_and_sex_and_else_the_lowest(person: Person, limit: float) -> None:
    assert limit_of_v2_v3(LIMITS, person) == limit
    above, below = (dict.fromkeys(("V2", "V3"), limit + OF_RECORDS.v2_v3 + step) for step in (0.005, -0.005))
    assert names(figures(above), person) == ["ST elevation"]
    assert names(figures(below), person) == []
    assert names(figures(dict.fromkeys(("V4", "V5"), LIMITS.others + OF_RECORDS.others + 0.005)), person) == [
        "ST elevation"
    ]


def test_a_lead_that_could_not_be_measured_is_not_elevated() -> None:
    levels = np.full(12, np.nan, np.float32)
    assert elevated(levels, 0.15, 0.1) == []
    levels[[LEADS.index("V4"), LEADS.index("V5")]] = 0.2
    assert elevated(levels, 0.15, 0.1) == ["V4", "V5"]


def test_of_an_unsure_lead_the_least_that_it_may_be_counts() -> None:
    noisy = np.where([lead in ("V4", "V5") for lead in LEADS], 0.1, 0.01).astype(np.float32)
    assert names(figures({"V4": 0.19, "V5": 0.19}, error=2 * noisy)) == []
    assert names(figures({"V4": 0.4, "V5": 0.4}, error=noisy)) == ["ST elevation"]


def test_the_evidence_names_leads_and_levels_and_the_source_is_cited() -> None:
    alert = only(figures({"II": 0.31, "aVF": 0.25, "III": 0.2}))
    assert "II +0.31" in alert.evidence
    assert "III +0.20" in alert.evidence
    assert alert.urgency.color == "red"
    assert "Fourth universal definition" in alert.source


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"qrs": 150.0}, "bundle branch block or a pacemaker"),
        ({"s": np.full(12, -2.5, np.float32), "r": np.full(12, 1.5, np.float32)}, "thick left ventricle"),
        ({"r": np.full(12, 1.8, np.float32), "qt": 340.0}, "early repolarisation"),
    ],
)
def test_what_imitates_an_infarction_is_named_beside_it_and_silences_nothing(values: Any, words: str) -> None:
    alert = only(figures({"V2": 0.3, "V3": 0.2}, **values))
    assert (alert.name, alert.urgency.color) == ("ST elevation", "red")
    assert words in alert.evidence


def test_the_mirror_of_an_elevation_at_the_back() -> None:
    low = {"V1": -0.09, "V2": -0.15, "V3": -0.12}
    alert = only(figures(low))
    assert "back wall" in alert.name
    assert "V2 -0.15" in alert.evidence
    assert names(figures(low, t=-0.3)) == []  # with inverted T waves as in strain or right bundle branch block
    assert names(figures({"V2": -0.15})) == []


def test_widespread_depression_with_elevation_in_avr() -> None:
    low = dict.fromkeys(("I", "II", "aVF", "V4", "V5", "V6"), -0.15)
    assert names(figures({**low, "aVR": 0.15})) == ["Widespread ST depression with ST elevation in aVR or V1"]
    assert names(figures(low)) == []
    assert names(figures({"II": -0.15, "V5": -0.15, "aVR": 0.15})) == []


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"intervals": np.full(5, 1600.0), "qt": 420.0}, "Very slow heart"),
        ({"intervals": np.full(25, 360.0), "qt": 260.0}, "Very fast heart"),
        ({"intervals": np.array([900.0, 900.0, 3200.0, 900.0])}, "Pause between beats"),
        ({"qt": 500.0}, "Long QT interval"),
        ({"qrs": 175.0}, "Very wide QRS"),
    ],
)
def test_figures_beyond_their_limits(values: Any, name: str) -> None:
    alert = only(figures(**values))
    assert alert.name == name
    assert any(digit.isdigit() for digit in alert.evidence)


def test_limits_of_rates_are_those_of_adults() -> None:
    fast = figures(intervals=np.full(25, 360.0), qt=260.0)
    assert names(fast, Person(age=1)) == []
    assert names(fast, Person(age=30)) == ["Very fast heart"]


def test_one_stretch_of_a_long_record_is_enough() -> None:
    calm, wild = figures(), figures({"II": 0.3, "aVF": 0.3})
    assert [alert.name for alert in raise_alerts([calm, wild, calm], ANYBODY, OF_RECORDS)] == ["ST elevation"]


def test_every_rule_has_a_class_and_a_name_of_its_own() -> None:
    codes = {known.code for known in heart_knowledge().classes}
    assert {rule.suspects for rule in RULES.all} <= codes - {"NORM"}
    assert len({rule.name for rule in RULES.all}) == len(RULES.all)
    assert heart_knowledge().suspects(["ST elevation"]) == {"MI"}
    assert heart_knowledge().suspects([]) == set()


@pytest.mark.parametrize("shape", ["gaussian", "ramps"])
@pytest.mark.parametrize("leads", [("V2", "V3"), ("V3", "V4", "V5"), ("II", "aVF", "III"), ("I", "aVL")])
def test_elevation_that_is_drawn_is_found(shape: Any, leads: tuple[str, ...]) -> None:
    st = {lead: (LIMITS.women if lead in ("V2", "V3") else LIMITS.others) + 0.1 for lead in leads}
    for seed in range(3):
        ecg = made_up(shape, st=st, noise=0.02, wander=0.1, hertz=250, seed=seed)
        found = raise_alerts([measure(sample(ecg.signal, None, 250))], ANYBODY, OF_RECORDS)
        assert [alert.name for alert in found] == ["ST elevation"]
        healthy = made_up(shape, noise=0.02, wander=0.1, hertz=250, seed=seed)
        assert raise_alerts([measure(sample(healthy.signal, None, 250))], ANYBODY, OF_RECORDS) == ()


def levels_of(st: dict[str, float], errors: dict[str, float] | None = None) -> Levels:
    error = np.array([(errors or {}).get(lead, 0.01) for lead in LEADS], np.float32)
    found = figures(st, error=error).levels
    assert found is not None
    return found


INFERIOR = {"I": 0.0, "II": 0.2, "III": 0.2, "aVR": -0.1, "aVL": -0.1, "aVF": 0.2}


def test_limb_leads_that_add_up_stay_as_they_are() -> None:
    np.testing.assert_allclose(add_up(levels_of(INFERIOR)).j, levels_of(INFERIOR).j, atol=1e-6)


@pytest.mark.parametrize(("lead", "error"), [("aVF", 0.1), ("III", 0.08), ("aVF", 0.01)])
def test_a_limb_lead_that_was_misread_is_told_by_the_others(lead: str, error: float) -> None:
    found = add_up(levels_of(INFERIOR | {lead: 0.0}, {lead: error}))
    place = LEADS.index(lead)
    assert found.j[place] == pytest.approx(0.2, abs=0.05)
    assert found.later[place] == pytest.approx(0.2, abs=0.05)
    assert found.error[place] < 0.05


def test_limb_leads_that_do_not_add_up_are_unsure() -> None:
    found = add_up(levels_of({"I": 0.3, "II": 0.0, "III": 0.3, "aVF": 0.3}))
    assert found.error[:6].max() > 0.04
    assert found.error[6:].max() < 0.02


def test_a_limb_lead_that_is_not_shown_gets_no_level() -> None:
    levels = levels_of(INFERIOR)
    j = levels.j.copy()
    j[2:6] = np.nan
    assert np.isnan(add_up(levels._replace(j=j)).j[2:6]).all()
    j[1] = np.nan
    assert add_up(levels._replace(j=j)).j[0] == levels.j[0]
