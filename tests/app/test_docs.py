"""The page at /docs opens without internet, and without a key where the rest asks for one."""

import re
from pathlib import Path

import httpx
import pytest

from tests.service import serving

pytestmark = pytest.mark.anyio

ASSETS = {
    "/docs/assets/swagger-ui-bundle.js": "javascript",
    "/docs/assets/swagger-ui.css": "text/css",
    "/docs/assets/favicon-32x32.png": "image/png",
}


async def test_the_page_shows_the_document_and_names_no_other_host(client: httpx.AsyncClient) -> None:
    page, script = await client.get("/docs"), await client.get("/docs/start.js")
    assert page.headers["content-type"].startswith("text/html")
    assert script.headers["content-type"].startswith("text/javascript")
    assert 'url: "openapi.json"' in script.text
    assert "validatorUrl: null" in script.text
    assert "//" not in page.text + script.text
    named = set(re.findall(r'(?:src|href)="([^"]+)"', page.text))
    assert {f"/{address}" for address in named} == {*ASSETS, "/docs/start.js"}


async def test_the_page_holds_nothing_that_its_content_security_policy_would_block(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?! src=)|<style|\son\w+=|\sstyle=|javascript:", page.text) == []


@pytest.mark.parametrize("path", ASSETS)
async def test_its_assets_are_served_here_and_kept_by_the_browser(client: httpx.AsyncClient, path: str) -> None:
    asset = await client.get(path)
    assert asset.status_code == 200
    assert ASSETS[path] in asset.headers["content-type"]
    assert len(asset.content) > 500
    assert asset.headers["Cache-Control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": asset.headers["etag"]})
    assert again.status_code == 304


async def test_the_style_sheet_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    style = (await client.get("/docs/assets/swagger-ui.css")).text
    assert "@import" not in style
    assert not re.findall(r"""url\(["']?(?!["']?data:)""", style)


async def test_it_opens_without_a_key_and_nothing_beside_it_does(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys="a-key-of-sixteen-characters") as client:
        for path in ("/docs", "/docs/start.js", *ASSETS):
            assert (await client.get(path)).status_code == 200
        for path in ("/docs/assets", "/docs/assets/__init__.py", "/docs/assets/../../models"):
            assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize("path", ["/docs/assets", "/docs/assets/", "/docs/assets/nothing.js", "/docs/oauth2-redirect"])
async def test_anything_else_there_is_a_404_of_the_one_shape(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
