"""axe finds nothing serious in any view, light or dark, on a desktop or a phone."""

from importlib.resources import files
from typing import Any

import pytest

from models.samples import SAMPLES
from tests.web.conftest import DESKTOP, PHONE, OpenPage

VIEWS = ["", *(sample.diagnosis for sample in SAMPLES)]
RUN = """axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
  .then((found) => found.violations.map((each) => ({
    rule: each.id, impact: each.impact, nodes: each.nodes.map((node) => node.html.slice(0, 200)),
  })))"""


@pytest.fixture(scope="module")
def axe() -> str:
    pytest.importorskip("axe_playwright_python", reason="`make test-page` installs axe")
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def _violations(page: Any, axe: str) -> list[Any]:
    page.evaluate(axe)
    found: list[Any] = page.evaluate(RUN)
    return found


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(open_page: OpenPage, axe: str, view: str, size: tuple[int, int], scheme: str) -> None:
    page = open_page(f"/ui#/{view}", size=size, color_scheme=scheme, reduced_motion="reduce")
    page.locator(".card, .tabs").first.wait_for()
    if view:
        page.locator(".heading").get_by_role("button", name="Try a sample").click()
        page.locator(".answer").wait_for()
        page.locator(".developer summary").click()
    assert _violations(page, axe) == []


def test_axe_finds_nothing_where_something_went_wrong(open_page: OpenPage, axe: str) -> None:
    page = open_page("/ui#/skin", reduced_motion="reduce")
    chosen = [{"name": f"notes{number}.txt", "mimeType": "", "buffer": b"no picture"} for number in range(2)]
    page.locator('input[type="file"]').first.set_input_files(chosen)
    page.locator(".failure").wait_for()
    page.get_by_text("2 of 2 read").wait_for()
    assert _violations(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_among_red_flags(open_page: OpenPage, axe: str, scheme: str) -> None:
    page = open_page("/ui#/disease", color_scheme=scheme, reduced_motion="reduce")
    page.get_by_label("In your own words").fill("Crushing chest pain that spreads into my left arm, and I am sweating.")
    page.get_by_role("button", name="Ask").click()
    page.locator(".banner summary").first.click()
    assert _violations(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_at_the_camera(open_page: OpenPage, axe: str, scheme: str) -> None:
    page = open_page("/ui#/skin", permissions=["camera"], color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("button", name="Use the camera").click()
    shutter = page.get_by_role("button", name="Take the picture")
    page.wait_for_function("() => document.activeElement.textContent === 'Take the picture'")
    assert _violations(page, axe) == []
    shutter.click()
    assert _violations(page, axe) == []


def test_axe_finds_a_fault_that_is_put_there(open_page: OpenPage, axe: str) -> None:
    page = open_page()
    page.locator(".card").first.wait_for()
    page.evaluate("document.querySelector('.brand img').removeAttribute('alt')")
    assert [each["rule"] for each in _violations(page, axe)] == ["image-alt"]
