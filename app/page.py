"""The page at /ui, and at / where a browser asks: static files of ours, with relative addresses.

There is nothing to build, and nothing of it comes from another host.
"""

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.docs import KeptFiles

UI_PATH = "/ui"
_FOLDER = Path(__file__).parent / "web" / "ui"
_PAGE = (_FOLDER / "page.html").read_bytes()
_ASSETS = f"{UI_PATH}/assets"
PAGE_PATHS = (UI_PATH, *(f"{_ASSETS}/{file.name}" for file in sorted(_FOLDER.iterdir()) if file.suffix != ".html"))
"""What shows the page, without anything that a model says: open to all, as the documentation is."""
VARY = {"Vary": "Accept"}
_SEES = {"Permissions-Policy": "camera=(self), display-capture=(), geolocation=(), microphone=()"}
"""The page alone may ask for the camera, to show what it sees before a picture is taken."""


def show_page(app: FastAPI) -> None:
    """Add the page and its files."""

    def page(_: Request) -> Response:
        return page_response()

    app.mount(_ASSETS, KeptFiles(directory=_FOLDER))
    app.add_route(UI_PATH, page, include_in_schema=False)


def page_response() -> HTMLResponse:
    """The page."""
    return HTMLResponse(_PAGE, headers={**VARY, **_SEES})


def asks_for_a_page(accept: str) -> bool:
    """Whether an `Accept` header is that of a browser that opens an address: programs name JSON, or nothing."""
    return "text/html" in accept and "json" not in accept
