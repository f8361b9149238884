"""The page at /docs: Swagger UI out of an installed package, since a hospital's network may have no way out."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_ASSETS = "/docs/assets"
_SCRIPT, _STYLE, _ICON = (
    f"{_ASSETS}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
)
DOCS_PATHS = ("/docs", _SCRIPT, _STYLE, _ICON)


def show_docs(app: FastAPI) -> None:
    """Add the page and its assets, which are read from disk when asked for; no address leads to another host."""

    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=root + _SCRIPT,
            swagger_css_url=root + _STYLE,
            swagger_favicon_url=root + _ICON,
            swagger_ui_parameters={"validatorUrl": None},  # by default swagger.io, for a badge
        )

    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]))
    app.add_route("/docs", docs, include_in_schema=False)
