"""Make models/preprocessing/ecg_sheet/scale_words.onnx: the network that reads the scales printed on ECG sheets.

    python -m training.printed_scale --fonts /usr/share/fonts

Print is drawn in every typeface found below --fonts beside Matplotlib's, but for those kept for measuring, as for the
names of leads (`training.lead_names`). It needs no data.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.preprocessing.ecg_sheet import printed_scale
from models.preprocessing.ecg_sheet.print_lines import HEIGHT
from training.datasets.scale_words import Strip, draw_strips
from training.lead_names import typefaces

log = logging.getLogger(__name__)

BATCH = 32
SEED = 13


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    options = _parser().parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    seen, _ = typefaces(options.fonts)
    strips = load_strips(seen, options.scenes, options.run / "strips.npz")
    train(strips, options.run, options.epochs, options.begin, steps=options.steps)


def load_strips(fonts: Sequence[str], scenes: int, file: Path) -> list[Strip]:
    """Strips that were drawn before, or new ones, which are then kept in a file."""
    if file.is_file():
        with np.load(file) as kept:
            ends, counts = kept["ends"][:-1], kept["counts"][:-1]
            pictures, characters = np.split(kept["pictures"], ends, axis=1), np.split(kept["characters"], counts)
            return [Strip(*each) for each in zip(pictures, characters, strict=True)]
    strips: list[Strip] = []
    for number in range(scenes):
        strips += draw_strips(np.random.default_rng([SEED, number]), fonts)
        if number % 500 == 499:
            log.info("%d of %d scenes drawn", number + 1, scenes)
    np.savez_compressed(
        file,
        pictures=np.concatenate([strip.picture for strip in strips], axis=1),
        ends=np.cumsum([strip.picture.shape[1] for strip in strips]),
        characters=np.concatenate([strip.characters for strip in strips]),
        counts=np.cumsum([len(strip.characters) for strip in strips]),
    )
    return strips


def train(strips: Sequence[Strip], run: Path, epochs: int, begin: Path | None = None, *, steps: int = 100) -> Path:
    """Train on all but the last twentieth of the strips, from the weights of a network kept before where there is one;
    export the network and log what its checksum is."""
    import keras

    from training.export import export_reader
    from training.networks.scale_word_network import Pieces, build, loss, served

    held = max(1, len(strips) // 20)
    training = Pieces(strips[:-held], BATCH, steps, 1)
    validation = Pieces(strips[-held:], BATCH, max(1, steps // 10), 2)
    network = build()
    if begin is not None:
        network.set_weights(keras.models.load_model(begin, compile=False).get_weights())
    rate = keras.optimizers.schedules.CosineDecay(1e-4, epochs * steps, 0.02, warmup_target=3e-3, warmup_steps=60)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0)
    network.compile(optimizer, loss, jit_compile=False)  # compiled, a step takes four times as long on processors
    kept = keras.callbacks.ModelCheckpoint(run / "network.keras")
    network.fit(training, validation_data=validation, epochs=epochs, verbose=2, callbacks=[kept])
    target = run / printed_scale.MODEL.name
    export_reader(served(network), target, (1, HEIGHT, 480, 1))
    return target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders with typefaces")
    parser.add_argument("--run", type=Path, default=Path("runs/printed_scale"), help="where the run is kept")
    parser.add_argument("--scenes", type=int, default=2600, help="scenes to draw, of about eight strips")
    parser.add_argument("--begin", type=Path, help="network.keras of an earlier run to go on from")
    parser.add_argument("--epochs", type=int, default=14, help="each with a validation")
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    return parser


if __name__ == "__main__":
    main()
