"""What ships is measured by the service's own path, and card and page say what was found."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.diagnoses.xray import XRAY
from models.serving.bundle import MEASURED_FILE, Bundle, Estimate, file_sha256
from tests.documents import written
from tests.fake_bundle import make_bundle
from training import cli, served
from training.card import format_estimate
from training.datasets.pictures import Sample
from training.served import TABLE_BEGIN, TABLE_END, MeasuredSet, Share, answers, estimate, measure, with_section
from training.trust_tables import CALIBRATED, TABLES, marks, with_tables

LIGHTS = (0, 60, 127, 128, 200, 255)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    points = [
        {"code": code, "threshold": threshold, "rule": "made up", "sensitivity": 0.5, "specificity": 0.5}
        for code, threshold in (("pneumonia", 0.6), ("normal", 0.7))
    ]
    return make_bundle(tmp_path / "bundles", "xray", operating_points=tuple(points))


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Pictures of even light; black and white are unlike the training data of the made-up bundle."""
    found = []
    for light in LIGHTS:
        path = tmp_path / f"{light}.png"
        Image.fromarray(np.full((40, 40, 3), light, np.uint8)).save(path)
        found.append(Sample(path, int(light > 127), f"{light}", "made-up", {"set": "made-up"}))
    return found


def test_answers_are_those_of_the_service_refused_and_not_settled_ones_name_nothing(
    bundle: Bundle, samples: list[Sample]
) -> None:
    given = answers(XRAY, bundle, samples)
    assert [answer.accepted for answer in given] == [False, True, True, True, True, False]
    for answer in given:
        prediction = answer.reading.prediction
        assert answer.code == (prediction.code if answer.accepted and prediction.settled else None)
        assert answer.routine == (answer.code == "normal")
        assert sum(answer.chances.values()) == pytest.approx(1, abs=1e-5)
    assert given[0].code is given[-1].code is None
    middle = given[2]
    assert middle.chances["pneumonia"] == pytest.approx(0.5, abs=0.02)
    assert (middle.code, middle.accepted) == (None, True)


def test_a_figure_comes_with_an_interval_over_groups(bundle: Bundle, samples: list[Sample]) -> None:
    given = answers(XRAY, bundle, samples)
    found = estimate(lambda some: float(np.mean([answer.accepted for answer in some])), given)
    assert found.value == pytest.approx(4 / 6, abs=1e-4)
    assert found.n == 6
    assert found.low < found.value < found.high


def test_a_share_is_counted_among_those_it_is_of(bundle: Bundle, samples: list[Sample]) -> None:
    given = answers(XRAY, bundle, samples)
    accepted = [answer for answer in given if answer.accepted]
    found = estimate(Share(lambda answer: answer.accepted, among=lambda answer: answer.accepted), given)
    assert (found.value, found.high, found.n) == (1, 1, len(accepted))
    assert found.low < 0.9  # nobody knows so much of so few


def test_card_and_page_say_what_was_measured_of_this_very_network(
    bundle: Bundle, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {
        "accepted": lambda given: float(np.mean([answer.accepted for answer in given])),
        "undefined": lambda _: float("nan"),
    }
    sets = [MeasuredSet("made-up pictures", samples, figures)]
    monkeypatch.setattr("training.served_sets.SETS", {"xray": lambda _: sets})
    refused = Estimate(value=1, low=1, high=1, n=9)
    monkeypatch.setattr("training.strangers_told.told", lambda *_: {"refused: noise": refused})
    assert cli.main(["measure", "xray", str(bundle.folder), "--data", str(tmp_path), "--note", "Made up."]) == 0
    document = served.read_measured(bundle.folder / MEASURED_FILE)
    assert (document["sha256"], document["version"]) == (bundle.metadata.sha256, bundle.metadata.version)
    [(key, value)] = document["sets"]["made-up pictures"].items()
    again = measure(XRAY, bundle, sets)["made-up pictures"][key]
    assert Estimate(**value) == again
    page = tmp_path / "figures.md"
    page.write_text(f"Before.\n\n{TABLE_BEGIN}\nold\n{TABLE_END}\n\nAfter.\n")
    explanations = _page_of_explanations(tmp_path)
    for _ in range(2):
        asked = written("medidiagnose-train tables")
        folders = ["--bundles", str(tmp_path / "bundles"), "--page", str(page), "--explanations", str(explanations)]
        assert cli.main([*asked, *folders]) == 0
    told = f"accepted {format_estimate(again)}"
    assert told.split(" ", 1)[1] in (bundle.folder / "card.md").read_text()
    assert (bundle.folder / "card.md").read_text().count(served.HEADING) == 1
    text = page.read_text()
    assert told in text
    assert "old" not in text
    assert (text.startswith("Before."), text.rstrip().endswith("After.")) == (True, True)


def _page_of_explanations(folder: Path) -> Path:
    file = folder / "explanations.md"
    file.write_text("\n".join(["Before.", *(mark for name in TABLES for mark in marks(name)), "After."]))
    return file


def test_the_page_of_explanations_has_a_row_for_each_set_with_that_figure() -> None:
    def document(version: str, sets: dict[str, dict[str, float]]) -> dict[str, object]:
        told = {
            title: {key: Estimate(value=value, low=0, high=1, n=7).model_dump() for key, value in figures.items()}
            for title, figures in sets.items()
        }
        return {"version": version, "sets": told}

    documents = {
        "skin": document("2.0.0", {"Prediction sets: a set": {"coverage": 0.9, "accuracy of the most probable": 0.5}}),
        "disease": document(
            "1.0.0",
            {
                "Prediction sets: vignettes": {"coverage": 0.8, "most probable is true": 0.25},
                "Reliability: vignettes": {"said 0.5": 0.5, "ECE": 0.1, CALIBRATED: 0.2},
                "a set": {"coverage": 0.7},
            },
        ),
    }
    page = "\n".join(["Before.", *(mark for name in TABLES for mark in marks(name)), "After."])
    told = with_tables(with_tables(page, documents), documents)
    assert told.startswith("Before.")
    assert told.endswith("After.")
    rows = [line for line in told.splitlines() if line.startswith(("| skin", "| disease"))]
    assert rows == [
        "| skin 2.0.0, a set | 7 | 0.900 (0.000 to 1.000) |  | 0.500 (0.000 to 1.000) |",
        "| disease 1.0.0, vignettes | 7 | 0.800 (0.000 to 1.000) |  | 0.250 (0.000 to 1.000) |",
        "| disease 1.0.0, vignettes | 7 | 0.100 (0.000 to 1.000) | 0.200 |",
    ]
    with pytest.raises(ValueError, match="maps: begin"):
        with_tables("No marks.", documents)


def test_the_page_of_explanations_is_that_of_what_ships() -> None:
    files = sorted(Path("models/bundles").glob(f"*/*/{MEASURED_FILE}"))
    documents = {file.parent.parent.name: served.read_measured(file) for file in files}
    page = Path("docs/explanations.md").read_text(encoding="utf-8")
    assert with_tables(page, documents) == page


def test_a_section_replaces_its_older_self_and_leaves_the_rest() -> None:
    card = with_section("# Card\n\n## What to know\n\nText.\n", "## As served\n\nOne.\n")
    assert card.endswith("## As served\n\nOne.\n")
    middle = "# Card\n\n## As served\n\n### A set\n\nOld.\n\n## int8\n\nRest.\n"
    assert with_section(middle, "## As served\n\nNew.\n") == "# Card\n\n## As served\n\nNew.\n\n## int8\n\nRest.\n"


@pytest.mark.parametrize("file", sorted(Path("models/bundles").glob(f"*/*/{MEASURED_FILE}")), ids=str)
def test_figures_that_ship_are_of_the_network_that_ships_and_stand_in_its_card(file: Path) -> None:
    document = served.read_measured(file)
    network = {"int8": "model.int8.onnx", "fp32": "model.onnx"}[document["precision"]]
    assert document["sha256"] == file_sha256(file.with_name(network))
    assert served.card_section(document).strip() in file.with_name("card.md").read_text(encoding="utf-8")
    rows = served.page_rows(file.parent.parent.name, document)
    page = Path("docs/figures.md").read_text(encoding="utf-8")
    assert all(row in page for row in rows)
