"""ECG sheets whose truth is known, asked of the running service: speed and layout, pages of fewer leads, ST elevation.

Sheets are drawn from PTB-XL records of folds 1 to 8 as real machines print them; every second one is photographed.

    MEDIDIAGNOSE_DATA=... python -m benchmarks.made_up_sheets --part tempo --count 400 --seed 1

`tempo`: sheets of twelve leads, half of them slow, fast (time scaled) or with bundle branch block; the share whose
speed and layout are told right. `pages`: limb, chest and Cabrera pages, three rows, single strips, mirrored sheets and
sheets of two patients; the share accepted as twelve standard leads. `st`: normal records with ST elevation drawn into
contiguous leads, as records and as sheets; the share with an alert. What is refused counts as missed, in every share.
Needs the extra `training`, which draws.
"""

import argparse
import csv
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Bar, judge, save, table
from benchmarks.server import running_server
from models.preprocessing.picture import UInt8Array
from training.datasets import ptbxl
from training.datasets.digitised_sheets import encode
from training.datasets.ecg_machine_styles import Wish, draw_machine_style
from training.datasets.ecg_photograph import Damage, draw_damage, photograph
from training.datasets.ecg_sheet import Layout, SheetStyle, render
from training.datasets.ecg_tempo import at_tempo
from training.datasets.ptbxl import EcgSample
from training.datasets.st_elevation import CONTIGUOUS, Wall, elevate
from training.intervals import wilson

FOLDS = range(1, 9)
HEIGHTS = (1.0, 2.0, 4.0, 8.0)
BLOCKS = {"CLBBB", "CRBBB"}
WALLS: tuple[Wall, ...] = tuple(CONTIGUOUS)
ALERT = re.compile(r"st[- ](segment )?elevation", re.IGNORECASE)

FloatArray = NDArray[np.float32]
Answer = Mapping[str, Any]


class Part(NamedTuple):
    """How many inputs it takes by default, and what is asked."""

    usual: int
    run: Callable[["Service", "Records", int, int], "Tally"]


@dataclass
class Tally:
    """Yes or no, by question; each has bounds on the share of yes, if any."""

    answers: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    bounds: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    details: list[dict[str, Any]] = field(default_factory=list)

    def add(self, question: str, yes: bool, *, most: float | None = None, least: float | None = None) -> None:
        self.answers[question].append(yes)
        self.bounds[question] = (most, least)


@dataclass(frozen=True)
class Records:
    """Records in mV of folds 1 to 8, with their statements by number."""

    folder: Path
    samples: Sequence[EcgSample]
    statements: Mapping[int, Mapping[str, str]]

    def drawn(self, rng: np.random.Generator, wanted: Callable[[EcgSample], bool], count: int) -> list[EcgSample]:
        """As many of the wanted ones, in random order, each again only when all have been taken."""
        fitting = [sample for sample in self.samples if wanted(sample)]
        if not fitting:
            sys.exit("No record at hand is of that kind.")
        order = [at for _ in range(-(-count // len(fitting))) for at in rng.permutation(len(fitting))]
        return [fitting[at] for at in order[:count]]

    def signal(self, sample: EcgSample) -> FloatArray:
        signal: FloatArray = ptbxl.load_signals(self.folder, [sample])[0]
        return signal

    def blocked(self, sample: EcgSample) -> bool:
        row = self.statements.get(sample.ecg_id, {})
        return bool(BLOCKS & set(row.get("sub_class", "").replace(";", " ").split()))


@dataclass
class Service:
    """The service, asked over HTTP."""

    client: httpx.Client

    def sheet(self, picture: UInt8Array) -> Answer:
        return self._asked("/analyze/heart", {"image": ("sheet.png", encode(picture))})

    def record(self, signal: FloatArray) -> Answer:
        header, samples = ptbxl.wfdb_of(signal)
        return self._asked("/analyze/heart/record", {"header": ("made.hea", header), "signal": ("made.dat", samples)})

    def _asked(self, path: str, files: Mapping[str, tuple[str, bytes]]) -> Answer:
        answer: Answer = self.client.post(path, files=files).raise_for_status().json()
        if answer["demo_mode"]:
            sys.exit(f"{path} answers in demo mode: no bundle is installed")
        return answer


def main() -> None:
    options = _parser().parse_args()
    records = load_records(options.data / "ptb-xl")
    tally = Tally()
    with running_server() as server, httpx.Client(base_url=server.url, timeout=120) as client:
        for name in options.part or PARTS:
            part = PARTS[name]
            found = part.run(Service(client), records, options.count or part.usual, options.seed)
            tally.answers |= found.answers
            tally.bounds |= found.bounds
            tally.details += found.details
    rows = [[question, *_row(yes)] for question, yes in tally.answers.items()]
    print(table(["share of", "n", "%", "95 % interval"], rows))
    save("made_up_sheets_details", {"answers": tally.details})
    sys.exit(judge("made_up_sheets", [_bar(tally, question) for question in tally.answers]))


def load_records(folder: Path) -> Records:
    """The records at hand; statements stay empty where the table is absent."""
    statements = {}
    table_of = folder / "statements.csv"
    if table_of.is_file():
        with table_of.open(newline="", encoding="utf-8") as file:
            statements = {int(row["ecg_id"]): row for row in csv.DictReader(file)}
    samples = [sample for sample in ptbxl.load(folder) if sample.kind == "record" and sample.fold in FOLDS]
    return Records(folder, samples, statements)


def tempo(service: Service, records: Records, count: int, seed: int) -> Tally:
    """Speed and layout, of usual hearts and of slow, fast and blocked ones."""
    tally = Tally()
    rng = np.random.default_rng([seed, 1])
    for number, (kind, sample) in enumerate(_hearts(rng, records, count)):
        signal = records.signal(sample)
        if kind in ("slow", "fast"):
            low, high = (0.45, 0.75) if kind == "slow" else (1.35, 2.0)
            signal = at_tempo(signal, ptbxl.RATE, float(rng.uniform(low, high)))
        style = draw_machine_style(rng)
        answer = service.sheet(_taken(signal, style, number, rng))
        sheet = answer["sheet"] or {}
        right = {
            "speed": sheet.get("speed") == style.speed,
            "layout": (sheet.get("layout"), sheet.get("rhythm_strips")) == (style.layout, len(style.rhythm)),
        }
        accepted = answer["reliability"]["accepted"]
        tally.add("speed right", right["speed"], least=98)
        tally.add(f"speed right, {kind}", right["speed"])
        tally.add("layout right", right["layout"])
        tally.add(f"accepted, {'photographed' if number % 2 else 'as drawn'}", accepted)
        tally.add("accepted with wrong speed", accepted and not right["speed"])
        tally.add("accepted with wrong layout", accepted and sheet.get("layout") != style.layout)
        tally.details.append(_detail("tempo", number, sample, kind, style, answer))
    return tally


def _hearts(rng: np.random.Generator, records: Records, count: int) -> Iterator[tuple[str, EcgSample]]:
    """Half usual, a sixth each slow, fast and blocked."""
    kinds = [("usual", "slow", "usual", "fast", "usual", "blocked")[number % 6] for number in range(count)]
    queues = {
        kind: iter(records.drawn(rng, records.blocked if kind == "blocked" else lambda _: True, kinds.count(kind)))
        for kind in dict.fromkeys(kinds)
    }
    return ((kind, next(queues[kind])) for kind in kinds)


PAGES: Mapping[str, Wish] = {
    "limb page": Wish(layout="limb page"),
    "chest page": Wish(layout="chest page"),
    "three rows": Wish(layout="three rows"),
    "single strip": Wish(layout="single strip"),
    "Cabrera order": Wish(order="cabrera"),
    "mirrored": Wish(),
    "two patients": Wish(layout="3x4"),
}


def pages(service: Service, records: Records, count: int, seed: int) -> Tally:
    """Pages that are not twelve standard leads of one heart; Cabrera order may be accepted where it is told."""
    tally = Tally()
    for kind, wish in PAGES.items():
        rng = np.random.default_rng([seed, 2, *kind.encode()])
        samples = records.drawn(rng, lambda _: True, 2 * count)
        for number, (sample, other) in enumerate(zip(samples[:count], samples[count:], strict=True)):
            signal = records.signal(sample)
            if kind == "two patients":
                signal = np.concatenate([signal[:, :6], records.signal(other)[:, 6:]], axis=1)
            style = draw_machine_style(rng, wish)
            answer = service.sheet(_taken(signal, style, number, rng, mirrored=kind == "mirrored"))
            taken_for_standard = answer["reliability"]["accepted"] and not _told_as_cabrera(answer)
            tally.add(f"{kind} accepted as twelve standard leads", taken_for_standard, most=0)
            if kind == "Cabrera order":
                tally.add(
                    "Cabrera order read as printed", answer["reliability"]["accepted"] and _told_as_cabrera(answer)
                )
            tally.details.append(_detail("pages", number, sample, kind, style, answer))
    return tally


def _told_as_cabrera(answer: Answer) -> bool:
    return str((answer["sheet"] or {}).get("lead_order", "")).lower() == "cabrera"


def elevations(service: Service, records: Records, count: int, seed: int) -> Tally:
    """Alerts of ST elevation on normal records, as they are and with an injury current drawn in."""
    tally = Tally()
    rng = np.random.default_rng([seed, 3])
    samples = records.drawn(rng, lambda sample: sample.labels == (1, 0, 0, 0, 0), count)
    for number, sample in enumerate(samples):
        signal = records.signal(sample)
        wall = WALLS[number % len(WALLS)]
        style_seed = int(rng.integers(2**31))
        for height in (0.0, *HEIGHTS):
            try:
                drawn = elevate(signal, ptbxl.RATE, wall, height) if height else signal
            except ValueError:
                continue
            name = f"{height:g} mm above the limit" if height else "NORM alone, false"
            style_rng = np.random.default_rng(style_seed)
            style = draw_machine_style(style_rng)
            for way, answer in (
                ("record", service.record(drawn)),
                ("sheet", service.sheet(_taken(drawn, style, number, style_rng))),
            ):
                false = 2.0 if way == "record" else 4.0
                bounds = {"least": 95.0} if height else {"most": false}
                tally.add(f"ST alert, {way}, {name}", alerts_of_st(answer), **bounds)
                tally.details.append(_detail("st", number, sample, f"{way} {wall} {height:g}", style, answer))
    return tally


def alerts_of_st(answer: Answer) -> bool:
    """Whether an answer has an alert of ST elevation."""
    return any(ALERT.match(alert["name"]) for alert in answer["alerts"])


PARTS: Mapping[str, Part] = {"tempo": Part(400, tempo), "pages": Part(50, pages), "st": Part(200, elevations)}


def _taken(
    signal: FloatArray, style: SheetStyle, number: int, rng: np.random.Generator, *, mirrored: bool = False
) -> UInt8Array:
    """The picture of a sheet: as it is drawn, or, of every odd number, photographed."""
    picture = render(signal, ptbxl.RATE, style).picture
    if mirrored:
        picture = photograph(picture, Damage(mirrored=True))
    return photograph(picture, draw_damage(rng, 1.0 if number % 2 else 0.0))


def _detail(part: str, number: int, sample: EcgSample, kind: str, style: SheetStyle, answer: Answer) -> dict[str, Any]:
    layout: Layout = style.layout
    return {
        "part": part,
        "number": number,
        "ecg_id": sample.ecg_id,
        "kind": kind,
        "drawn": [layout, len(style.rhythm), style.speed, style.gain, style.order],
        "sheet": answer.get("sheet"),
        "reliability": answer["reliability"],
        "alerts": [alert["name"] for alert in answer["alerts"]],
        "prediction": answer["prediction"]["name"],
    }


def _row(yes: Sequence[bool]) -> list[str]:
    low, high = wilson(sum(yes), len(yes))
    return [str(len(yes)), f"{100 * sum(yes) / len(yes):.1f}", f"{100 * low:.1f} to {100 * high:.1f}"]


def _bar(tally: Tally, question: str) -> Bar:
    most, least = tally.bounds[question]
    share = 100 * float(np.mean(tally.answers[question]))
    return Bar(question, share, "%", most=most, least=least)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MEDIDIAGNOSE_DATA"), help="folder of the data sets"
    )
    parser.add_argument("--part", action="append", choices=list(PARTS), help="all without")
    parser.add_argument("--count", type=int, help="inputs of a part: 400 sheets, 50 pages of a kind, 200 records")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
