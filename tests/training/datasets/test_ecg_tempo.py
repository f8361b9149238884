import numpy as np
import pytest

from training.datasets.ecg_tempo import at_tempo

RATE = 100


def beats(every: float) -> np.ndarray:
    """Ten seconds of one narrow wave in all leads, `every` so many seconds."""
    seconds = np.arange(10 * RATE) / RATE
    wave = np.exp(-((((seconds - 0.4 + every / 2) % every) - every / 2) ** 2) / (2 * 0.02**2))
    return np.repeat(wave[:, None], 12, axis=1)


def distances(signal: np.ndarray) -> np.ndarray:
    lead = signal[:, 0]
    peaks = np.flatnonzero((lead[1:-1] > 0.6) & (lead[1:-1] >= lead[:-2]) & (lead[1:-1] > lead[2:]))
    return np.diff(peaks) / RATE


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.0, 1.5, 2.4])
def test_beats_come_as_much_sooner_as_asked(factor: float) -> None:
    signal = at_tempo(beats(0.83), RATE, factor)
    assert signal.shape == (1000, 12)
    np.testing.assert_allclose(distances(signal), 0.83 / factor, atol=0.05)


def test_an_unchanged_tempo_changes_nothing() -> None:
    np.testing.assert_allclose(at_tempo(beats(0.9), RATE, 1.0), beats(0.9), atol=1e-6)
