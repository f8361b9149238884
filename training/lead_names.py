"""Make models/preprocessing/ecg_sheet/lead_names.onnx: the network that reads the lead names printed on ECG sheets.

    python -m training.lead_names --data data --fonts /usr/share/fonts

Pages are drawn from PTB-XL records of folds 1 to 8 with every typeface found below --fonts beside Matplotlib's; those
whose name holds one of `UNSEEN` are kept for measuring. The more typefaces, the better it reads those it hasn't seen.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.preprocessing.ecg_sheet import lead_names
from training.datasets import ptbxl
from training.datasets.ecg_sheet import FONTS
from training.datasets.lead_labels import LabelledPage, draw_page
from training.diagnoses.training import default_data

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

UNSEEN = ("C059", "Caladea", "Carlito", "Inconsolata", "Bookman", "Courier Prime", "NotoSansMono", "Lato")
UNFIT = ("Thin", "Hairline", "Symbols", "D050000L", "Z003", "Black", "Emoji")
RECORDS = 600
BATCH = 32


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    options = _parser().parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    seen, _ = typefaces(options.fonts)
    pages = load_pages(options.data / "ptb-xl", seen, options.pages, options.run / "pages.npz")
    train(pages, options.run, options.epochs, begin=options.begin, steps=options.steps)


def typefaces(folders: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Typefaces to draw names in: those to learn from and those kept for measuring."""
    files = [file for folder in folders for kind in ("*.ttf", "*.otf") for file in sorted(folder.rglob(kind))]
    fit = [str(file) for file in files if not any(word in file.name for word in UNFIT)]
    unseen = [file for file in fit if any(word in Path(file).name for word in UNSEEN)]
    return [*FONTS, *(file for file in fit if file not in unseen)], unseen


def load_pages(folder: Path, fonts: Sequence[str], count: int, file: Path) -> list[LabelledPage]:
    """Pages that were drawn before, or new ones, which are then kept in a file."""
    if file.is_file():
        with np.load(file) as kept:
            return [LabelledPage(kept[f"ink{n}"], kept[f"names{n}"]) for n in range(len(kept.files) // 2)]
    samples = [sample for sample in ptbxl.load(folder) if sample.kind == "record" and sample.fold <= 8][:RECORDS]
    signals = ptbxl.load_signals(folder, samples)
    pages = []
    for number in range(count):
        rng = np.random.default_rng([11, number])
        pages.append(draw_page(signals[number % len(signals)], ptbxl.RATE, rng, fonts))
        if number % 100 == 99:
            log.info("%d of %d pages drawn", number + 1, count)
    arrays = {f"ink{n}": page.ink for n, page in enumerate(pages)} | {f"names{n}": p.names for n, p in enumerate(pages)}
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return pages


def train(
    pages: Sequence[LabelledPage], run: Path, epochs: int, *, begin: Path | None = None, steps: int = 200
) -> Path:
    """Train on all but the last tenth of the pages, from the weights of a network kept before where there is one;
    export the network and log what its checksum is."""
    import keras

    from training.export import export_reader
    from training.networks.lead_name_network import Crops, build, loss, served

    held = max(1, len(pages) // 10)
    training, validation = Crops(pages[:-held], BATCH, steps, 1), Crops(pages[-held:], BATCH, max(1, steps // 10), 2)
    network = build()
    if begin is not None:
        _take_over(network, begin)
    rate = keras.optimizers.schedules.CosineDecay(1e-4, epochs * steps, 0.02, warmup_target=4e-3, warmup_steps=200)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0), loss)
    network.fit(training, validation_data=validation, epochs=epochs, verbose=2)
    network.save(run / "network.keras")
    target = run / lead_names.MODEL.name
    export_reader(served(network), target, (1, 320, 480, 1))
    return target


def _take_over(network: "keras.Model", kept: Path) -> None:
    """The weights of a kept network, but for those of layers that it had otherwise."""
    import keras

    earlier = {weight.path: weight for weight in keras.models.load_model(kept, compile=False).weights}
    for weight in network.weights:
        if weight.path in earlier and earlier[weight.path].shape == weight.shape:
            weight.assign(earlier[weight.path])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders with typefaces")
    parser.add_argument("--run", type=Path, default=Path("runs/lead_names"), help="where the run is kept")
    parser.add_argument("--pages", type=int, default=1000, help="pages to draw")
    parser.add_argument("--begin", type=Path, help="network.keras of an earlier run to go on from")
    parser.add_argument("--epochs", type=int, default=20, help="each with a validation")
    parser.add_argument("--steps", type=int, default=200, help="of an epoch")
    return parser


if __name__ == "__main__":
    main()
