"""The page at /docs: Swagger UI out of an installed package, since a hospital's network may have no way out.

Its addresses are relative, so that it works under any root path, and its script is a file, as the
Content-Security-Policy of every page asks.
"""

from os import PathLike, stat_result
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_WEB = Path(__file__).parent / "web"
_ASSETS = "/docs/assets"
DOCS_PATHS = (
    "/docs",
    "/docs/start.js",
    *(f"{_ASSETS}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")),
)


class KeptFiles(StaticFiles):
    """Files that a browser may keep, as long as it asks whether they have changed."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


def show_docs(app: FastAPI) -> None:
    """Add the page and its assets, which are read from disk when asked for; no address leads to another host."""
    page, script = (_WEB / "docs.html").read_bytes(), (_WEB / "docs.js").read_bytes()

    async def docs(_: Request) -> Response:
        return HTMLResponse(page)

    async def start(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    app.mount(_ASSETS, KeptFiles(packages=[("fastapi_swagger", "resources")]))
    app.add_route("/docs", docs, include_in_schema=False)
    app.add_route("/docs/start.js", start, include_in_schema=False)
