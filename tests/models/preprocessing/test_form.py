"""Rows of values: whoever changes how one is made must raise `REVISION`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.preprocessing.form import REVISION, Feature, TabularError, TabularPreprocessing

SPEC = TabularPreprocessing(
    features=(
        Feature(name="age", low=20, high=80),
        Feature(name="pressure", low=80, high=200, missing=-9),
        Feature(name="fever", low=-1, high=1, missing=0),
    )
)


def test_the_revision_these_rows_were_made_with() -> None:
    assert REVISION == SPEC.revision == 1


def test_values_stand_in_the_order_of_the_features() -> None:
    row = SPEC.row({"fever": 1, "age": 55, "pressure": 120.5})
    assert row.dtype == np.float32
    assert row.tolist() == [55, 120.5, 1]
    assert SPEC.tensor_shape == row.shape


@pytest.mark.parametrize("values", [{"age": 55}, {"age": 55, "pressure": None, "fever": None}])
def test_a_value_that_is_not_known_is_shown_as_the_feature_says(values: dict[str, float | None]) -> None:
    assert SPEC.row(values).tolist() == [55, -9, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "age: a finite number is required"),
        ({"age": None}, "age: a finite number is required"),
        ({"age": float("nan"), "pressure": float("inf")}, "age, pressure: a finite number"),
        ({"age": 55, "weight": 80}, "weight is no feature of the model; it reads age, pressure, fever"),
    ],
)
def test_what_makes_no_row_is_named(values: dict[str, float | None], message: str) -> None:
    with pytest.raises(TabularError, match=message):
        SPEC.row(values)


def test_rows_do_not_share_memory() -> None:
    first = SPEC.row({"age": 55})
    SPEC.row({"age": 20})[0] = 7
    assert first.tolist() == [55, -9, 0]


def test_several_cases_are_stacked() -> None:
    assert SPEC.rows([{"age": 1}, {"age": 2}]).tolist() == [[1, -9, 0], [2, -9, 0]]
    assert SPEC.rows([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("values", "outside"),
    [
        ({"age": 20, "pressure": 200}, []),
        ({"age": 19.9, "pressure": None}, ["age"]),
        ({"age": 81, "pressure": 201, "fever": -1}, ["age", "pressure"]),
    ],
)
def test_values_beyond_the_training_data_are_named(values: dict[str, float | None], outside: list[str]) -> None:
    assert [feature.name for feature in SPEC.outside(values)] == outside


def test_it_is_stored_and_compared_whatever_was_made_with_it() -> None:
    SPEC.row({"age": 55})
    again = TabularPreprocessing.model_validate_json(SPEC.model_dump_json())
    assert again == SPEC
    again.row({"age": 20})
    assert again == SPEC
    assert set(again.model_dump()) == {"kind", "revision", "features"}


@pytest.mark.parametrize(
    "features",
    [
        [],
        [{"name": "age", "low": 1, "high": 0}],
        [{"name": "age", "low": 0, "high": 1}, {"name": "age", "low": 0, "high": 1}],
        [{"name": "age", "low": 0, "high": float("inf")}],
        [{"name": "age", "low": 0, "high": 1, "missing": float("nan")}],
    ],
)
def test_features_that_make_no_sense_are_refused(features: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        TabularPreprocessing.model_validate({"features": features})


@given(st.dictionaries(st.sampled_from(SPEC.names), st.none() | st.floats(width=32)))
def test_a_row_holds_what_was_sent_or_is_refused(values: dict[str, float | None]) -> None:
    try:
        row = SPEC.row(values)
    except TabularError:
        sent = [value for value in values.values() if value is not None]
        assert values.get("age") is None or not np.isfinite(sent).all()
        return
    for feature, found in zip(SPEC.features, row.tolist(), strict=True):
        value = values.get(feature.name)
        assert found == (feature.missing if value is None else value)
