"""The card says what was measured, on whom, and what the model is not."""

from datetime import date

import pytest

from models.preprocessing.form import Feature, TabularPreprocessing
from models.preprocessing.picture import ImagePreprocessing
from models.serving.bundle import DataSource, Estimate, Metadata, NoveltySpec, OperatingPoint, TensorSpec
from training.card import renewed, write_card

AUROC = Estimate(value=0.9123, low=0.9, high=0.93, n=41)


def metadata(**changed: object) -> Metadata:
    known: dict[str, object] = {
        "name": "retina",
        "version": "1.0.0",
        "created": date(2026, 1, 2),
        "precision": "fp32",
        "task": "multiclass",
        "classes": ("drusen", "normal"),
        "input": TensorSpec(name="image", dtype="uint8", shape=(None, 64, 64, 3)),
        "outputs": (),
        "preprocessing": ImagePreprocessing(size=64, framing="squash"),
        "temperature": 1.25,
        "operating_points": (
            OperatingPoint(code="drusen", threshold=0.31, rule="by hand", sensitivity=0.95, specificity=0.8),
        ),
        "novelty": NoveltySpec(threshold=1.5, false_alarms=0.012),
        "licence": "CC0",
        "data": (DataSource(name="Eyes", use="trained on", licence="CC BY 4.0", citation="Somebody 2020"),),
        "metrics": {"test": {"auroc": AUROC}},
        "training": {"backbone": "efficientnet_lite0"},
        "sha256": "0" * 64,
    }
    return Metadata.model_validate(known | changed)


def test_everything_that_was_measured_stands_in_the_card() -> None:
    card = write_card(metadata(), "Eyes", {"test": {"sex=female": {"auroc": AUROC}}}, "## Notes\n\nBy hand.")
    for line in (
        "# Eyes",
        "**Not a medical device.** For research, and as a second look by professionals; it replaces no examination.",
        "Classes, in output order: `drusen`, `normal`.",
        "Input: 64 x 64 RGB, framing `squash`. Network: efficientnet_lite0.",
        "* **Eyes** (CC BY 4.0), trained on. Somebody 2020",
        "| drusen | 0.3100 | by hand | 0.950 | 0.800 |  |",
        "Temperature 1.250, fitted on validation and applied inside the graph.",
        "### test (41 cases)",
        "| auroc | 0.912 (0.900 to 0.930) |",
        "| sex=female | 41 | 0.912 (0.900 to 0.930) |",
        "By hand.",
    ):
        assert line in card.splitlines()
    assert "1.2 % of the validation pictures" in card


def test_what_a_model_lacks_is_not_in_its_card() -> None:
    features = tuple(Feature(name=f"f{number}", low=0, high=1, missing=-9) for number in range(30))
    bare = metadata(operating_points=(), novelty=None, preprocessing=TabularPreprocessing(features=features))
    card = write_card(bare, "Forms", {}, "")
    assert "Operating points" not in card
    assert "Pictures of another kind" not in card
    assert "`f0`, `f1`, `f2`, ... 30 values in all" in card
    assert "over patients or, for vignettes, over diagnoses" in card


def test_an_estimate_without_cases_is_refused() -> None:
    with pytest.raises(StopIteration):
        write_card(metadata(metrics={"test": {}}), "Eyes", {}, "")


def test_a_card_of_another_version_has_its_thresholds_and_says_what_they_were_chosen_on() -> None:
    before = metadata()
    point = OperatingPoint(code="drusen", threshold=0.42, rule="moved", sensitivity=0.95, specificity=0.8)
    changed = {"version": "1.0.1", "operating_points": (point,), "training": {"folds": 3}}
    card = renewed(write_card(before, "Eyes", {}, "Notes."), before, metadata(**changed))
    assert "Bundle `retina` 1.0.1," in card
    assert "| drusen | 0.4200 | moved | 0.950 | 0.800 |" in card
    assert "0.3100" not in card
    assert "fitted on what each fold's network said of pictures that it had not seen" in card
    assert "validation" not in card.partition("## Measured")[0]
    assert card.count("## Operating points") == card.count("## Measured") == 1
    assert renewed(card, metadata(**changed), metadata(**changed)) == card


def test_a_card_whose_terms_are_told_anew_names_every_set_and_its_licence() -> None:
    before = metadata()
    told = DataSource(name="Skin", use="strangers", licence="CC BY-NC 4.0", citation="Somebody 2020.")
    now = metadata(licence="CC BY-NC 4.0", data=(*before.data, told))
    card = renewed(write_card(before, "Eyes", {}, "Notes."), before, now)
    assert card == write_card(now, "Eyes", {}, "Notes.")
    assert "* **Skin** (CC BY-NC 4.0), strangers. Somebody 2020." in card
