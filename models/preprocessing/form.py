"""Named values to the row a tabular model reads; one code path for training and service.

A row has one float32 for each feature, in the bundle's order. A bundle stores its `TabularPreprocessing`, so a change
of how a row is made must raise `REVISION`.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

REVISION = 1

Float32Array = NDArray[np.float32]


class TabularError(ValueError):
    """Values of which no row can be made; the message names the feature."""


class Feature(BaseModel):
    """One column of the row. `low` and `high` bound what the model learned from, in the unit of the feature.

    `missing` is what stands for a value that is not known; without it the value is required.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    missing: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"{self.name}: `low` is above `high`.")
        return self


class TabularPreprocessing(BaseModel):
    """The features of a bundle in order; stored in metadata.json and compared at load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["tabular"] = "tabular"
    revision: int = REVISION
    features: tuple[Feature, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len(self._places) != len(self.features):
            raise ValueError("Two features have the same name.")
        return self

    @property
    def tensor_shape(self) -> tuple[int]:
        """Length of one row, which is float32."""
        return (len(self.features),)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features in order."""
        return tuple(self._places)

    def row(self, values: Mapping[str, float | None]) -> Float32Array:
        """The (d,) row of `values` by feature name; a feature that is None or not named is missing.

        Raises `TabularError` for a name that is no feature, a value that is not finite, or a required one missing.
        """
        row = np.frombuffer(self._nothing_known, np.float32).copy()
        for name, value in values.items():
            if name not in self._places:
                raise TabularError(f"{name} is no feature of the model; it reads {', '.join(self.names)}.")
            if value is not None:
                row[self._places[name]] = value
        if not np.isfinite(row).all():
            faulty = [name for name, value in zip(self.names, row.tolist(), strict=True) if not np.isfinite(value)]
            raise TabularError(f"{', '.join(faulty)}: a finite number is required.")
        return row

    def rows(self, cases: Iterable[Mapping[str, float | None]]) -> Float32Array:
        """The (n, d) rows of several cases. Raises as `row` does."""
        made = [self.row(values) for values in cases]
        return np.stack(made) if made else np.empty((0, *self.tensor_shape), np.float32)

    def outside(self, values: Mapping[str, float | None]) -> tuple[Feature, ...]:
        """The features whose value lies outside what the model learned from. Raises `KeyError` for an unknown name."""
        bounded = ((self.features[self._places[name]], value) for name, value in values.items() if value is not None)
        return tuple(feature for feature, value in bounded if not feature.low <= value <= feature.high)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {feature.name: place for place, feature in enumerate(self.features)}

    @cached_property
    def _nothing_known(self) -> bytes:
        """The row without any value; bytes, since models with arrays in them can't be compared."""
        empty = [np.nan if feature.missing is None else feature.missing for feature in self.features]
        return np.array(empty, np.float32).tobytes()
