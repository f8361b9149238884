"""Tables as data sets publish them."""

from pathlib import Path

import pandas as pd

from training.datasets.pictures import check_layout
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


def read_listed(folder: Path, *, layout: str, where: str) -> list[dict[str, str]]:
    """The rows of `folder`/labels.csv by column, sorted by `file`, each with its picture in `folder`/Images.

    Raises `DatasetError`, which shows the expected `layout` and `where` to get it, for what is missing.
    """
    check_layout(folder, ("Images", "labels.csv"), layout=layout, where=where)
    rows = sorted(read_rows(folder / "labels.csv"), key=lambda row: row["file"])
    missing = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if missing:
        first = f"{len(missing)} files of labels.csv missing, the first is {missing[0]}"
        raise DatasetError(f"{folder}: {first}.\n{layout}")
    return rows
