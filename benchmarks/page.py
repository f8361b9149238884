"""How soon the page is there and answers: `python -m benchmarks.page [--short] [--pictures FOLDER]`.

A service that has just been started, as by `make serve`, is opened in a browser of its own, and the sample of one job
is pressed; then the next. What counts is seen by the page itself: its first contentful paint, the time from the press
until the answer is painted, and the bytes of all that it asked for before. `--pictures` draws what it looks like
instead, light and dark, on a desktop and on a phone. Needs what `make test-page` installs, and a Chromium.
"""

import argparse
import shutil
import statistics
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.report import Bar, judge
from benchmarks.server import running_server
from models.samples import SAMPLES

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FIRST_PAINT, ANSWER, SIZE = 1.0, 2.0, 150.0
"""The most that the paint and an answer may take, in seconds, and the page hold, in kB."""
ROUNDS = 3
DESKTOP, PHONE = (1280, 900), (390, 844)
EMERGENCY = "Since an hour I have a crushing chest pain that spreads into my left arm, and I am sweating."

PRESS = """(name) => new Promise((answered) => {
  const began = performance.now();
  new MutationObserver((_, watching) => {
    if (!document.querySelector(".answer")) return;
    watching.disconnect();
    requestAnimationFrame(() => setTimeout(() => answered((performance.now() - began) / 1000)));
  }).observe(document.body, { childList: true, subtree: true });
  document.querySelector(`.card:has(a[href="#/${name}"]) button`).click();
})"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
HELD = """performance.getEntries().filter((each) => each.encodedBodySize && /\\/ui(\\/|$)/.test(each.name))
  .reduce((held, each) => held + each.encodedBodySize, 0) / 1000"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="each job once")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the page")
    options = parser.parse_args()
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit("There is no Chromium on this machine.")
    with import_module("playwright.sync_api").sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        if options.pictures:
            _draw(browser, options.pictures)
            return 0
        return judge("page", _measured(browser, 1 if options.short else ROUNDS))


def _measured(browser: Any, rounds: int) -> list[Bar]:
    paints: list[float] = []
    held: list[float] = []
    answers: dict[str, list[float]] = {sample.diagnosis: [] for sample in SAMPLES}
    for diagnosis, seconds in answers.items():
        for _ in range(rounds):
            with running_server() as server:
                page = browser.new_context().new_page()
                page.goto(f"{server.url}/ui")
                page.locator(".card button").first.wait_for()
                paints.append(page.evaluate(PAINTED))
                held.append(page.evaluate(HELD))
                seconds.append(page.evaluate(PRESS, diagnosis))
                page.context.close()
    return [
        Bar("first paint, median", statistics.median(paints), "s", most=FIRST_PAINT),
        Bar("first paint, slowest", max(paints), "s", most=FIRST_PAINT),
        Bar("the page", max(held), "kB", most=SIZE),
        *(Bar(f"{name}, slowest", max(seconds), "s", most=ANSWER) for name, seconds in answers.items()),
    ]


def _sample(name: str) -> Callable[[Any], None]:
    return lambda page: page.locator(f'.card:has(a[href="#/{name}"]) button').click()


def _emergency(page: Any) -> None:
    page.locator('.card a[href="#/disease"]').click()
    page.get_by_label("In your own words").fill(EMERGENCY)
    page.get_by_role("button", name="Ask", exact=True).click()


VIEWS: Sequence[tuple[str, Callable[[Any], None] | None]] = (
    ("start", None),
    *((sample.name, _sample(sample.diagnosis)) for sample in SAMPLES),
    ("emergency", _emergency),
)


def _draw(browser: Any, folder: Path) -> None:
    """Each view light and dark, on a desktop and on a phone, as <view>-<scheme>-<device>.png, as long as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    with running_server() as server:
        for scheme in ("light", "dark"):
            for device, (width, height) in (("desktop", DESKTOP), ("phone", PHONE)):
                for view, open_view in VIEWS:
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
                    )
                    page = context.new_page()
                    page.goto(f"{server.url}/ui")
                    page.locator(".card button").first.wait_for()
                    if open_view:
                        open_view(page)
                        page.locator(".answer").wait_for()
                        page.wait_for_timeout(300)
                        page.evaluate("scrollTo(0, 0)")
                    page.screenshot(path=folder / f"{view}-{scheme}-{device}.png", full_page=True)
                    context.close()


if __name__ == "__main__":
    raise SystemExit(main())
