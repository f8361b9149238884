"""What is measured on the records of PTB-XL, and which alerts they raise: `python -m benchmarks.ecg_measurements`.

Folds 1 to 8 of MEDIDIAGNOSE_DATA/ptb-xl, by default. Of records without any abnormal statement it tells how many raise
an alert, by name; of 200 of them with ST elevation drawn into contiguous leads, how many alerts of it there are; and
how much processor time measuring takes, also beside preparing a record of ten seconds at 500 Hz for its network.
"""

import argparse
import csv
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.heart.alerts import OF_RECORDS, raise_alerts
from models.diagnoses.heart.beats import FINE, find_beats, mean_beat, median_beat, sample
from models.diagnoses.heart.figures import measure
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.heart.waves import find_waves, onset_of
from models.preprocessing.ecg_record import LEADS, Record, SignalPreprocessing, cut_windows, read_record
from schemas.heart import Person

MILLIMETRES = (0.0, 1.0, 2.0, 4.0, 8.0)
DRAWN = 200
_SETS: tuple[Mapping[str, float], ...] = (
    dict.fromkeys(("V2", "V3"), 1.0),
    dict.fromkeys(("V1", "V2", "V3", "V4"), 1.0),
    dict.fromkeys(("V3", "V4", "V5"), 1.0),
    dict.fromkeys(("V4", "V5", "V6"), 1.0),
    {"II": 1.0, "III": 1.0, "aVF": 1.0, "aVR": -0.5, "aVL": -0.5},
    {"I": 1.0, "aVL": 1.0, "III": -1.0, "aVR": -0.5, "aVF": -0.5},
)
"""Share of the elevation in each lead; those of limb leads as one heart has them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(1, 9)))
    folder = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data")) / "ptb-xl"
    records = list(_records(folder, parser.parse_args().folds))
    normal = [record for record, statements in records if statements == ("NORM", "")]
    alerts = [_alerts(record) for record in normal]
    print(f"{len(normal)} of {len(records)} records have no abnormal statement; alerts of them")
    for name, count in Counter(name for names in alerts for name in names).most_common():
        print(f"  {name}: {_share(count, len(normal))}")
    print(f"any: {_share(sum(map(bool, alerts)), len(normal))}")
    chosen = [normal[place] for place in np.random.default_rng(5).permutation(len(normal))[:DRAWN]]
    for millimetres in MILLIMETRES:
        found = [
            "ST elevation" in _alerts(drawn(record, _SETS[place % len(_SETS)], millimetres / 10))
            for place, record in enumerate(chosen)
        ]
        print(f"ST elevation drawn {millimetres:g} mm above the limit: {_share(sum(found), len(found))} told")
    record = replace(records[0][0], leads=np.repeat(records[0][0].signal, 5, axis=0), rate=500.0)
    measuring = _milliseconds(lambda: measure(sample(record.signal, None, record.rate)))
    preparing = _milliseconds(lambda: cut_windows(record, SignalPreprocessing()))
    print(f"measuring takes {measuring:.2f} ms, {measuring / preparing:.2f} of preparing the windows")


def drawn(record: Record, leads: Mapping[str, float], above: float) -> Record:
    """The record with ST raised from the J point to the end of T, by `above` mV more than the lowest limit of each
    lead times its share."""
    ecg = sample(record.signal, None, record.rate)
    beats = find_beats(ecg)
    onset = onset_of(mean_beat(ecg, beats)) or -0.05
    waves = find_waves(median_beat(ecg, beats, onset), 1.0)
    qrs = (waves.offset - waves.onset) / FINE if waves else 0.1
    starts = beats.at / ecg.rate + onset
    profile = _profile(np.arange(len(record.signal)) / record.rate, starts, qrs)
    limits = heart_knowledge().alerts.st_elevation.limits.value
    signal = record.signal.copy()
    for lead, share in leads.items():
        limit = limits.women if lead in ("V2", "V3") else limits.others
        signal[:, LEADS.index(lead)] += (share * (limit + above) * profile).astype(np.float32)
    return replace(record, leads=signal)


def _profile(times: NDArray[np.float64], starts: NDArray[np.float64], qrs: float) -> NDArray[np.float64]:
    """1 from the end of each QRS to the top of its T, falling with T."""
    profile = np.zeros(len(times))
    for start, interval in zip(starts, np.append(np.diff(starts), 1.0), strict=True):
        since = times - start
        end = min(0.36 * float(interval) ** 0.5 + 0.02, float(interval) - 0.15)
        rise, fall = (since - 0.6 * qrs) / (0.4 * qrs), (end - since) / 0.12
        profile = np.maximum(profile, np.clip(rise, 0, 1) * np.clip(fall, 0, 1))
    return profile


def _records(folder: Path, folds: Sequence[int]) -> Iterator[tuple[Record, tuple[str, str]]]:
    """Those in millivolts, with their diagnostic and form statements."""
    with (folder / "statements.csv").open(encoding="utf-8") as file:
        statements = {row["ecg_id"]: (row["sub_class"], row["form"]) for row in csv.DictReader(file)}
    with (folder / "superclass_folds.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["signal"] == "records100" and int(row["strat_fold"]) in folds:
                path = folder / row["filename_lr"]
                header, signal = (path.with_suffix(suffix).read_bytes() for suffix in (".hea", ".dat"))
                yield read_record(header, signal), statements[row["ecg_id"]]


def _alerts(record: Record) -> list[str]:
    figures = measure(sample(record.signal, None, record.rate))
    return [alert.name for alert in raise_alerts([figures], Person(), OF_RECORDS)]


def _share(count: int, of: int) -> str:
    """A share in per cent with its 95 % interval (Wilson)."""
    z = 1.96
    share = count / of
    centre, reach = share + z * z / (2 * of), z * ((share * (1 - share) + z * z / (4 * of)) / of) ** 0.5
    low, high = ((centre + side * reach) / (1 + z * z / of) for side in (-1, 1))
    return f"{count} of {of}, {share:.1%} ({max(low, 0):.1%} to {high:.1%})"


def _milliseconds(work: Callable[[], object]) -> float:
    """Processor time, the median of fifty runs."""
    taken = []
    for _ in range(50):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return 1000 * float(np.median(taken))


if __name__ == "__main__":
    main()
