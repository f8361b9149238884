"""How well the names of leads are read: `python -m training.studies.lead_names --data data --fonts FOLDER`.

Pages in typefaces kept from training, flat: the share of names found and the share of what is found that is right, by
the height of the print. Whole photographed sheets of the same typefaces: the share whose layout and order the names
spell, wrongly or not at all. With --pictures, a folder of real sheets, what is read is drawn onto copies in --out.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.lead_names import NAMES, LeadLabel, read_lead_names
from models.preprocessing.ecg_sheet.printed_layout import COLUMN, PrintedLayout, match_layout
from models.preprocessing.ecg_sheet.rectify import find_plane, straighten
from models.preprocessing.picture import UInt8Array
from training.datasets import ptbxl
from training.datasets.ecg_machine_styles import Wish, draw_machine_style
from training.datasets.ecg_photograph import draw_damage, photograph
from training.datasets.ecg_sheet import Layout, Order, render
from training.datasets.lead_labels import PEN, READ_AT, LabelledPage, draw_page
from training.diagnoses.training import default_data
from training.intervals import wilson
from training.lead_names import typefaces

SEED = 12
SURE = 0.6
KINDS: tuple[tuple[str, Layout | None, Order], ...] = (
    ("twelve leads", None, "standard"),
    ("Cabrera order", None, "cabrera"),
    ("limb page", "limb page", "standard"),
    ("chest page", "chest page", "standard"),
    ("three rows", "three rows", "standard"),
)


def main() -> None:
    options = _parser().parse_args()
    console = Console()
    folder = options.data / "ptb-xl"
    samples = [sample for sample in ptbxl.load(folder) if sample.kind == "record" and sample.fold <= 8][
        -options.count :
    ]
    signals = ptbxl.load_signals(folder, samples)
    _, unseen = typefaces(options.fonts)
    rngs = [np.random.default_rng([SEED, number]) for number in range(len(signals))]
    pages = [draw_page(signal, ptbxl.RATE, rng, unseen) for signal, rng in zip(signals, rngs, strict=True)]
    console.print(names_table(pages))
    for severity in (0.0, 1.0):
        console.print(layouts_table(signals, unseen, severity))
    for picture in options.pictures:
        _show(picture, options.out)


def names_table(pages: Sequence[LabelledPage]) -> Table:
    """Names found and right on flat pages, by the height of their print at the size they are read at."""
    asked: Counter[str] = Counter()
    found: Counter[str] = Counter()
    reported = right = 0
    for page in pages:
        labels = [label for label in read_lead_names(page.ink) if label.confidence >= SURE]
        reported += len(labels)
        right += sum(any(_same(label, row) for row in page.names) for label in labels)
        for row in page.names:
            size = "under 6" if row[4] < 6 else "6 to 8" if row[4] < 8 else "8 to 12" if row[4] < 12 else "over 12"
            asked[size] += 1
            found[size] += any(_same(label, row) for label in labels)
    table = Table("names", "n", "%", "95 %")
    for size in ("under 6", "6 to 8", "8 to 12", "over 12"):
        table.add_row(f"found, {size} pixels high", *_share(found[size], asked[size]))
    table.add_row("right of those reported", *_share(right, reported))
    return table


def layouts_table(signals: NDArray[np.floating], fonts: Sequence[str], severity: float) -> Table:
    """What the names of whole sheets spell."""
    table = Table(f"layout, damage {severity:g}", "n", "% told", "95 %", "% wrong", "95 %")
    for kind, layout, order in KINDS:
        told = wrong = 0
        for number, signal in enumerate(signals):
            rng = np.random.default_rng([SEED, number, int(10 * severity)])
            style = draw_machine_style(rng, Wish(layout=layout, order=order))
            style = replace(style, label_font=fonts[int(rng.integers(len(fonts)))])
            picture = render(signal, ptbxl.RATE, style).picture
            dark = sum(style.paper) < 300
            seen = photograph(255 - picture if dark else picture, replace(draw_damage(rng, severity), quarter_turns=0))
            spelled = match_layout(*names_on(seen))
            right = spelled is not None and _right(spelled, style.layout, style.order)
            told += right
            wrong += spelled is not None and not right
        table.add_row(kind, *_share(told, len(signals)), *_share(wrong, len(signals))[1:])
    return table


def names_on(picture: UInt8Array) -> tuple[list[LeadLabel], int]:
    """Names on a picture (height, width, 3), straightened as the reader of sheets does it, and its width then."""
    image = Image.fromarray(picture)
    image.thumbnail((READ_AT, READ_AT), Image.Resampling.BILINEAR)
    density = densities(image, PEN)
    ink = straighten(density.ink, find_plane(density.lines))
    return read_lead_names(ink), ink.shape[1]


def _same(label: LeadLabel, row: NDArray[np.floating]) -> bool:
    number, x, y, width, height = row
    near = abs(label.x - x) < 0.6 * max(width, 10) and abs(label.y - y) < 0.6 * max(height, 10)
    return bool(near) and NAMES[int(number)] == label.name


def _right(spelled: PrintedLayout, layout: Layout, order: Order) -> bool:
    named = layout if layout in ("3x4", "6x2", "12x1") else COLUMN
    return (spelled.layout, spelled.order) == (named, order)


def _share(yes: int, count: int) -> tuple[str, str, str]:
    if not count:
        return "0", "", ""
    low, high = wilson(yes, count)
    return str(count), f"{100 * yes / count:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"


def _show(file: Path, out: Path) -> None:
    """A copy of the straightened ink with the names that were read on it."""
    image = Image.open(file).convert("RGB")
    image.thumbnail((READ_AT, READ_AT), Image.Resampling.BILINEAR)
    density = densities(image, PEN)
    ink = straighten(density.ink, find_plane(density.lines))
    copy = Image.fromarray(255 - ink).convert("RGB")
    draw = ImageDraw.Draw(copy)
    labels = read_lead_names(ink)
    for label in labels:
        half = label.width / 2, label.height / 2
        colour = (200, 0, 0) if label.confidence >= SURE else (230, 150, 0)
        draw.rectangle((label.x - half[0], label.y - half[1], label.x + half[0], label.y + half[1]), outline=colour)
        draw.text((label.x + half[0] + 2, label.y - 16), f"{label.name} {label.confidence:.2f}", (0, 0, 220))
    out.mkdir(parents=True, exist_ok=True)
    copy.save(out / f"{file.stem}.png")
    Console().print(file.name, match_layout(labels, ink.shape[1]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders with typefaces")
    parser.add_argument("--count", type=int, default=100, help="records to draw")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="real sheets to look at")
    parser.add_argument("--out", type=Path, default=Path("runs/lead_names/pictures"), help="where copies of them go")
    return parser


if __name__ == "__main__":
    main()
