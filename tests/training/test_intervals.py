import pytest

from training.intervals import wilson


@pytest.mark.parametrize(
    ("yes", "count", "low", "high"), [(0, 50, 0.0, 0.0713), (50, 50, 0.9287, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_wilson_gives_the_published_intervals(yes: int, count: int, low: float, high: float) -> None:
    assert wilson(yes, count) == pytest.approx((low, high), abs=5e-4)
