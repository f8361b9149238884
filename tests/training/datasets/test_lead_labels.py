import numpy as np
import pytest

from models.preprocessing.ecg_sheet.lead_names import LONG_SIDE, NAMES
from training.datasets.ecg_sheet import FONTS
from training.datasets.lead_labels import SPELLINGS, LabelledPage, draw_page


@pytest.fixture(scope="module", params=range(2))
def page(request: pytest.FixtureRequest) -> LabelledPage:
    rng = np.random.default_rng(request.param)
    return draw_page(rng.normal(0, 0.1, (1000, 12)), 100, rng, FONTS)


def test_names_have_ink_where_they_are_said_to_be(page: LabelledPage) -> None:
    assert max(page.ink.shape) <= LONG_SIDE
    assert len(page.names) > 12
    inked = 0
    for _, x, y, width, height in page.names:
        box = page.ink[int(y - height / 2) : int(y + height / 2) + 1, int(x - width / 2) : int(x + width / 2) + 1]
        inked += bool(box.size and box.max() > 20)
    assert inked > 0.9 * len(page.names)


def test_every_name_has_spellings_that_are_its_own() -> None:
    assert set(SPELLINGS) == set(NAMES)
    spelled = [text for texts in SPELLINGS.values() for text in set(texts)]
    assert len(spelled) == len(set(spelled))
