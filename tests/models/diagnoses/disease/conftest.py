"""What every test of the reader needs."""

import pytest

from models.diagnoses.disease.findings import read


@pytest.fixture(scope="session", autouse=True)
def ready() -> None:
    """What words are looked up in takes longer to make than one example of a property may."""
    read((), "ready")
