"""A service with the models that ship, and a real browser in front of it. `make test-page` installs what drives it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.server import running_server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--use-fake-device-for-media-stream=device-count=2",  # cameras that show a drawn picture
)
DESKTOP, PHONE, SMALL_PHONE = (1280, 900), (390, 844), (320, 640)


@dataclass
class Watched:
    """What a page did that it must not: `errors` of its code, and `strangers`, other hosts that it asked."""

    origin: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        """Listen to the page. An answer of 4xx or 5xx is none of its faults."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._said(message))
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:")):
            self.strangers.append(url)


OpenPage = Callable[..., Any]


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a running service."""
    with running_server() as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system's; a module's own, since what drives it holds an event loop."""
    playwright = pytest.importorskip("playwright.sync_api", reason="`make test-page` installs what drives a browser")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: the page is not tried in a browser")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, service: str) -> Iterator[OpenPage]:
    """Opens the page in a window of its own. Afterwards none may have failed, broken its Content-Security-Policy, which
    the console tells, or asked another host."""
    contexts: list[Any] = []
    watched: list[Watched] = []

    def open_(path: str = "/ui", *, size: tuple[int, int] = DESKTOP, origin: str = service, **options: Any) -> Any:
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, has_touch=size != DESKTOP, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        watched.append(Watched(origin))
        watched[-1].watch(page)
        page.goto(origin + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [each.errors for each in watched if each.errors] == []
    assert [each.strangers for each in watched if each.strangers] == []
