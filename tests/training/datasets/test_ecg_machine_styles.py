import re

import numpy as np
import pytest

from training.datasets.ecg_machine_styles import LOOKS, Look, Wish, draw_machine_style
from training.datasets.ecg_sheet import Layout, lead_rows, page_size, render


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (1000, 12))


@pytest.mark.parametrize("look", [look for look, _ in LOOKS])
@pytest.mark.parametrize("seed", range(3))
def test_every_look_draws_all_twelve_leads_inside_its_page(look: Look, seed: int) -> None:
    style = draw_machine_style(np.random.default_rng(seed), Wish(look=look), long_side=(600, 620))
    sheet = render(noise(seed), 100, style)
    height, width = sheet.picture.shape[:2]
    assert 595 <= max(height, width) <= 625
    assert {trace.lead for trace in sheet.traces} == set(range(12))
    for trace in sheet.traces:
        assert 0 < trace.baseline < height
        assert 0 <= trace.x0 < trace.x0 + trace.seconds * style.speed * style.px_per_mm <= width + 1
    assert sheet.picture.std() > 1


@pytest.mark.parametrize(
    ("layout", "leads"),
    [("limb page", 6), ("chest page", 6), ("three rows", 3), ("single strip", 1), ("3x4", 12)],
)
def test_a_wished_layout_shows_its_leads(layout: Layout, leads: int) -> None:
    style = draw_machine_style(np.random.default_rng(1), Wish(layout=layout))
    assert style.layout == layout
    assert len({lead for row in lead_rows(style) for lead in row}) == leads


def test_speed_gain_and_order_are_as_wished_and_printed() -> None:
    printed = 0
    for seed in range(40):
        style = draw_machine_style(np.random.default_rng(seed), Wish(order="cabrera", speed=50.0, gain=5.0))
        assert (style.speed, style.gain, style.order) == (50, 5, "cabrera")
        if style.scale_text:
            printed += 1
            assert re.search(r"50(\.0)? ?mm/s", style.scale_text)
            assert re.search(r"5(\.0)? ?mm/mV", style.scale_text)
            assert any(style.scale_text in text.content for text in style.texts)
    assert 20 < printed < 40


def test_styles_differ_in_all_that_real_sheets_differ_in() -> None:
    styles = [draw_machine_style(np.random.default_rng(seed)) for seed in range(300)]
    assert {style.layout for style in styles} == {"3x4", "6x2", "12x1"}
    assert {len(style.rhythm) for style in styles} == {0, 1, 2, 3}
    assert {style.pulse for style in styles} == {"none", "left", "middle", "right"}
    assert {style.separator for style in styles} == {"none", "tick", "line", "bars", "post", "full line", "dots"}
    assert {style.minor_grid for style in styles} == {"solid", "dotted", "none"}
    assert any(sum(style.paper) < 100 for style in styles)
    assert any(style.bars for style in styles)
    assert any(style.row_heights for style in styles)
    assert any(style.px_per_mm * max(page_size(style)) < 600 for style in styles)


def test_the_same_seed_draws_the_same_sheet() -> None:
    first, again = (
        render(noise(0), 100, draw_machine_style(np.random.default_rng(9), long_side=(500, 520))).picture for _ in "ab"
    )
    np.testing.assert_array_equal(first, again)
