"""Tables as data sets publish them."""

from pathlib import Path

import pandas as pd

from training.errors import DatasetError


def read_table(file: Path) -> pd.DataFrame:
    """A CSV file with a header, every value as the text that stands there. Raises `DatasetError` where it is none."""
    try:
        return pd.read_csv(file, dtype=str, na_filter=False)
    except ValueError as error:
        raise DatasetError(f"{file}: not a CSV table in UTF-8: {error}") from error


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of such a file by column. Raises `DatasetError`."""
    rows: list[dict[str, str]] = read_table(file).to_dict("records")
    return rows
