"""Our in-memory reader of WFDB records against the wfdb package, over hundreds of generated records."""

from pathlib import Path

import numpy as np
import pytest

from models.preprocessing.wfdb import open_samples, read_header

wfdb = pytest.importorskip("wfdb")

BITS = {"16": 16, "24": 24, "32": 32, "80": 8, "212": 12}
RECORDS = 40
"""Of each storage format."""


def _write(folder: Path, storage: str, rng: np.random.Generator) -> int:
    """A record of that format with random signals, gains, baselines and rate; the number of its signals."""
    signals, samples = int(rng.integers(1, 16)), int(rng.integers(3, 400))
    most = 2 ** (min(BITS[storage], 24) - 1) - 1
    values = rng.integers(-most, most, (samples, signals))
    wfdb.io._signal.wr_dat_file("made_up.dat", storage, values, 0, write_dir=str(folder))
    lines = [f"made_up {signals} {rng.choice([50, 100, 257, 360, 500.5, 1000]):g} {samples}"]
    for number in range(signals):
        gain, baseline = rng.choice([1.0, 200.0, 204.8, 1000.0, 0.5]), rng.integers(-100, 100)
        name = f"lead {number}" if rng.random() < 0.5 else f"V{number}"
        units = rng.choice(["mV", "uV", "V"])
        lines.append(f"made_up.dat {storage} {gain}({baseline})/{units} {BITS[storage]} 0 0 0 0 {name}")
    (folder / "made_up.hea").write_text("\n".join(lines) + "\n")
    return signals


@pytest.mark.parametrize("storage", BITS)
def test_samples_gains_and_baselines_are_those_that_wfdb_reads(tmp_path: Path, storage: str) -> None:
    rng = np.random.default_rng(int(storage))
    for _ in range(RECORDS):
        signals = _write(tmp_path, storage, rng)
        header = read_header((tmp_path / "made_up.hea").read_bytes())
        samples, valid = open_samples(header, (tmp_path / "made_up.dat").read_bytes()).read()
        theirs = wfdb.rdrecord(str(tmp_path / "made_up"), physical=False)
        np.testing.assert_array_equal(samples, theirs.d_signal)
        assert valid.all()
        assert samples.shape[1] == signals
        assert header.rate == pytest.approx(theirs.fs)
        assert [signal.gain for signal in header.signals] == pytest.approx(theirs.adc_gain)
        assert [signal.baseline for signal in header.signals] == theirs.baseline
        assert [signal.units for signal in header.signals] == theirs.units
        assert [signal.name for signal in header.signals] == theirs.sig_name
