"""How well printed scales are read: `python -m training.studies.printed_scale --data data --fonts FOLDER`.

Whole sheets as machines print them, in typefaces kept from training, as they are drawn and photographed: the share of
printed speeds and gains that is read, by the height of the print, and the share that is read wrong; and the same of
sheets that print none. With --pictures, what is read of real sheets.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from models.preprocessing.ecg_sheet.ink import densities, on_light
from models.preprocessing.ecg_sheet.printed_scale import PrintedScale, read_printed_scale
from models.preprocessing.ecg_sheet.rectify import find_plane, straighten
from models.preprocessing.picture import UInt8Array
from training.datasets import ptbxl
from training.datasets.ecg_machine_styles import Wish, draw_machine_style
from training.datasets.ecg_photograph import draw_damage, photograph
from training.datasets.ecg_sheet import SheetStyle, render
from training.datasets.lead_labels import PEN, READ_AT
from training.diagnoses.training import default_data
from training.intervals import wilson
from training.lead_names import typefaces

_ROWS = (0.2, 0.85)
"""Heights between which most sheets have their traces: print below and above is read first."""
_GAINS = (5.0, 10.0, 20.0)


def main() -> None:
    options = _parser().parse_args()
    console = Console()
    if options.count:
        folder = options.data / "ptb-xl"
        samples = [sample for sample in ptbxl.load(folder) if sample.kind == "record" and sample.fold <= 8]
        signals = ptbxl.load_signals(folder, samples[-options.count :])
        _, unseen = typefaces(options.fonts)
        for severity in (0.0, 1.0):
            console.print(scales_table(signals, unseen, severity, options.seed))
    for picture in options.pictures:
        speed, gain, fault = scale_on(np.asarray(Image.open(picture).convert("RGB")))
        console.print(picture.name, f"{speed} mm/s {gain} mm/mV", fault or "")


def scales_table(signals: NDArray[np.floating], fonts: Sequence[str], severity: float, seed: int) -> Table:
    """What is read of sheets of these signals (n, samples, 12), by the height of their print as it is read."""
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for number, signal in enumerate(signals):
        rng = np.random.default_rng([seed, number, int(10 * severity)])
        style = draw_machine_style(rng, Wish(gain=_GAINS[number % 3], speed=(25.0, 50.0)[number // 3 % 2]))
        style = replace(style, font=fonts[int(rng.integers(len(fonts)))])
        seen = photograph(
            render(signal, ptbxl.RATE, style).picture, replace(draw_damage(rng, severity), quarter_turns=0)
        )
        found = scale_on(seen)
        size = _size(style, seen)
        asked[size] += 1
        right[size] += (found.speed, found.gain) == (style.speed, style.gain)
        wrong[size] += _wrong(found, style)
    table = Table(f"print, damage {severity:g}", "n", "% both read", "95 %", "% wrong", "95 %")
    for size in sorted(asked):
        table.add_row(size, *_share(right[size], asked[size]), *_share(wrong[size], asked[size])[1:])
    return table


def scale_on(picture: UInt8Array) -> PrintedScale:
    """What is read on a picture (height, width, 3), straightened as the reader of sheets does it."""
    image = Image.fromarray(picture)
    image.thumbnail((READ_AT, READ_AT), Image.Resampling.BILINEAR)
    density = densities(on_light(image), PEN)
    words = straighten(density.print, find_plane(density.lines))
    return read_printed_scale(words, (_ROWS[0] * len(words), _ROWS[1] * len(words)))


def _size(style: SheetStyle, seen: UInt8Array) -> str:
    """The class of the print's height in pixels as it is read, about."""
    own = [text.size * style.px_per_mm for text in style.texts if style.scale_text and style.scale_text in text.content]
    if not own:
        return "none printed"
    size = own[0] * min(1.0, READ_AT / max(seen.shape))
    return next((f"{low:2d} to {low + 3} pixels" for low in (6, 9, 12) if size < low + 3), "15 pixels or more")


def _wrong(found: PrintedScale, style: SheetStyle) -> bool:
    truth = (style.speed, style.gain) if style.scale_text else (None, None)
    read = found.speed, found.gain
    return bool(found.fault) or any(one is not None and one != other for one, other in zip(read, truth, strict=True))


def _share(yes: int, count: int) -> tuple[str, str, str]:
    low, high = wilson(yes, count)
    return str(count), f"{100 * yes / count:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders with typefaces")
    parser.add_argument("--count", type=int, default=200, help="records to draw")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="real sheets to read")
    return parser


if __name__ == "__main__":
    main()
