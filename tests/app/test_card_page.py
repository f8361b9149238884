"""Model cards as HTML: by Accept, linked from answers, and safe whatever a bundle says."""

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from app.card_page import card_page
from models.serving.loading import versions
from tests.service import serving, upload

pytestmark = pytest.mark.anyio

BUNDLES = sorted(each for each in Path("models/bundles").iterdir() if each.is_dir())
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class _Parser(HTMLParser):
    """Notes whatever is opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_a_browser_gets_a_page_and_programs_get_markdown(bundles: Path) -> None:
    async with serving(bundles=bundles) as client:
        page = await client.get("/models/skin/card", headers={"Accept": BROWSER})
        for accept in ("*/*", "text/markdown", "application/json", ""):
            text = await client.get("/models/skin/card", headers={"Accept": accept})
            assert text.headers["content-type"].startswith("text/markdown"), accept
            assert text.headers["vary"].startswith("Accept")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["vary"].startswith("Accept")
    assert "<h1>skin" in page.text


async def test_answers_link_to_the_card_of_their_model(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles) as client:
        answer = await client.post("/analyze/skin", files=upload(picture))
        link = re.fullmatch(r'<(.+)>; rel="describedby"', answer.headers["link"])
        assert link
        card = await client.get(link[1])
        assert card.text.startswith("# skin")
        sample = await client.post("/analyze/breast", files=upload(picture))
        assert "link" not in sample.headers


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_a_shipped_card_becomes_a_page(folder: Path) -> None:
    card = (versions(folder)[0] / "card.md").read_text(encoding="utf-8")
    page, parser = card_page(card), _Parser()
    parser.feed(page)
    assert not parser.open
    assert parser.tags.count("h1") == 1
    assert parser.tags.count("table") >= 1
    words = re.sub(r"[*`|#]", " ", card)
    shown = re.sub(r"<[^>]+>", " ", page)
    assert "**" not in shown
    assert "|--" not in shown
    for heading in re.findall(r"^## (.+)$", card, re.MULTILINE):
        assert f"<h2>{heading.split('`')[0].split('&')[0]}" in page
    assert len(shown.split()) > 0.8 * len(words.split())


def test_nothing_that_a_bundle_says_becomes_markup() -> None:
    page = card_page(
        "# <script>alert(1)</script>\n\n* `<b>` & **<i>x</i>**\n\n| <img src=x> | b |\n|---|---|\n| c | d |\n"
    )
    assert "<script" not in page
    assert "<img" not in page
    assert "<code>&lt;b&gt;</code> &amp; <strong>&lt;i&gt;x&lt;/i&gt;</strong>" in page


def test_lines_of_one_paragraph_or_entry_stand_together() -> None:
    page = card_page("# A\n\none\ntwo\n\n* first\n  goes on\n* second\n")
    assert "<p>one two</p>" in page
    assert "<ul><li>first goes on</li><li>second</li></ul>" in page


def test_a_reliability_is_drawn() -> None:
    rows = "| said 0.25 | 0.300 (0.200 to 0.400) | 40 |\n| said 0.75 | 0.700 (0.600 to 0.800) | 50 |\n"
    page = card_page(f"# A\n\n| figure | value | pictures |\n|---|---|---|\n{rows}")
    assert page.count("<circle") == 2
    assert 'cx="67.0"' in page
    assert "<svg" not in card_page("# A\n\n| figure | value |\n|---|---|\n| ece | 0.012 (0.010 to 0.020) |\n")


def test_the_reliability_of_each_group_is_drawn() -> None:
    rows = "".join(
        f"| age={age}, said {said} | 0.300 (0.200 to 0.400) | 40 |\n" for age in ("<40", "60+") for said in (0.25, 0.75)
    )
    page = card_page(f"# A\n\n| figure | value | pictures |\n|---|---|---|\n{rows}| age=<40, ECE | 0.1 | 80 |\n")
    assert page.count("<svg") == 2
    assert page.count("<circle") == 4
    assert "<figcaption>age=&lt;40</figcaption>" in page
    assert "Reliability of age=60+: what was said" in page


async def test_a_card_is_known_only_of_what_is_loaded(bundles: Path) -> None:
    async with serving(bundles=bundles) as client:
        answer: httpx.Response = await client.get("/models/knee/card", headers={"Accept": BROWSER})
    assert answer.status_code == 404
