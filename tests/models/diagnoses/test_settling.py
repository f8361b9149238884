"""Which class an answer names, and whether that is settled."""

from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.settling import Verdict, Weighed, settle


def weighed(fine: float, grave: float, mild: float) -> list[Weighed]:
    return [
        Weighed("fine", fine, 0.5, "healthy", True),
        Weighed("grave", grave, 0.2, "critical", False),
        Weighed("mild", mild, 0.5, "moderate", False),
    ]


def verdict(fine: float, grave: float, mild: float, **evidence: bool | set[str]) -> Verdict:
    return settle(weighed(fine, grave, mild), excluded_below=0.5, **evidence)  # type: ignore[arg-type]


def test_what_reassures_is_named_with_positive_evidence_and_nothing_against_it() -> None:
    assert verdict(0.9, 0.05, 0.1) == ("fine", True)
    assert verdict(0.4, 0.05, 0.1) == ("grave", False)  # nearest to its threshold, for want of anything else
    assert verdict(0.9, 0.05, 0.6) == ("mild", True)
    assert verdict(0.9, 0.05, 0.1, alarmed=True)[1] is False
    assert verdict(0.9, 0.05, 0.1, accepted=False) == ("grave", False)


def test_a_finding_that_is_present_is_settled_whatever_else_is_suspected() -> None:
    assert verdict(0.1, 0.05, 0.6, suspected={"grave"}, alarmed=True) == ("mild", True)


def test_of_what_is_not_excluded_the_gravest_is_named() -> None:
    assert verdict(0.4, 0.15, 0.45) == ("grave", False)
    assert verdict(0.4, 0.05, 0.45) == ("mild", False)
    assert verdict(0.9, 0.01, 0.01, suspected={"mild"}, alarmed=True) == ("mild", False)
    assert verdict(0.4, 0.01, 0.45, accepted=False) == ("grave", False)


chances = st.floats(0, 1)


@given(chances, chances, chances, st.booleans(), st.booleans(), st.sets(st.sampled_from(["grave", "mild"])))
def test_nothing_reassures_without_being_present_alone(
    fine: float, grave: float, mild: float, alarmed: bool, accepted: bool, suspected: set[str]
) -> None:
    code, settled = verdict(fine, grave, mild, alarmed=alarmed, accepted=accepted, suspected=suspected)
    present = {each.code for each in weighed(fine, grave, mild) if each.present}
    assert settled == (accepted and code in present)
    if code == "fine":
        assert (present, alarmed, accepted, suspected) == ({"fine"}, False, True, set())
