import numpy as np
import pytest

from models.preprocessing.ecg_sheet.print_lines import HEIGHT
from models.preprocessing.ecg_sheet.printed_scale import ALPHABET, normalised
from training.datasets.ecg_sheet import FONTS
from training.datasets.scale_words import draw_strips, number_of, scale_text


@pytest.mark.parametrize("seed", range(3))
def test_characters_have_ink_where_they_are_said_to_be(seed: int) -> None:
    strips = draw_strips(np.random.default_rng(seed), FONTS)
    written = [strip for strip in strips if len(strip.characters) > 4]
    assert written
    inked = letters = 0
    for strip in written:
        assert strip.picture.shape[0] == HEIGHT
        assert strip.characters[:, 1].max() < strip.picture.shape[1]
        seen = normalised(strip.picture)  # a trace across it may be darker than all letters
        for number, x in strip.characters:
            if ALPHABET[int(number)] != " ":
                letters += 1
                inked += seen[:, max(0, int(x) - 3) : int(x) + 4].max() > 0.3
    assert inked > 0.95 * letters


def test_dialects_are_spelled_alike() -> None:
    assert [number_of(letter) for letter in "vSs,"] == [ALPHABET.index(letter) for letter in "Vss."]
    assert number_of("Q") == number_of("h") == ALPHABET.index("#")


def test_scales_of_all_usual_sizes_are_written() -> None:
    rng = np.random.default_rng(0)
    texts = " ".join(scale_text(rng) for _ in range(300))
    assert all(f"{number}mm/mV" in texts.replace(" ", "") for number in (5, 10, 20))
    assert all(f"{number}mm/s" in texts.replace(" ", "") for number in (25, 50))
