"""The page at /ui and /: what is served of it, to whom, and that it needs no other host and no inline code."""

import re
from pathlib import Path

import httpx
import pytest

from app.page import PAGE_PATHS
from tests.service import serving

pytestmark = pytest.mark.anyio

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LARGEST = 150_000
FORBIDDEN = re.compile(r"https?://|@import|url\(|innerHTML|outerHTML|insertAdjacentHTML|eval\(|localStorage")
"""Other hosts, text taken for markup or code, and memory that outlasts the page."""
ASSETS = [path for path in PAGE_PATHS if path != "/ui"]


async def test_a_browser_gets_the_page_where_a_program_gets_json(client: httpx.AsyncClient) -> None:
    page = await client.get("/ui")
    for_browser = await client.get("/", headers={"Accept": BROWSER})
    assert for_browser.text == page.text
    assert for_browser.headers["Content-Type"].startswith("text/html")
    for answer in (page, for_browser):
        assert answer.headers["Permissions-Policy"].startswith("camera=(self), ")
    for accept in ("*/*", "application/json", "application/json, text/plain, */*", "text/html, application/json"):
        answer = await client.get("/", headers={"Accept": accept})
        assert answer.json()["name"] == "MediDiagnose-AI"
        assert answer.headers["Vary"].startswith("Accept")


async def test_it_names_no_other_host_and_holds_no_inline_code(client: httpx.AsyncClient) -> None:
    page = (await client.get("/ui")).text
    assert re.findall(r"<script(?! type=\"module\" src=)|<style|\son\w+=|\sstyle=|javascript:", page) == []
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', page))
    assert {f"/{address}" for address in named} <= {*PAGE_PATHS, "/docs", "/openapi.json"}
    for path in ASSETS:
        text = (await client.get(path)).text.replace("http://www.w3.org/2000/svg", "")
        assert not FORBIDDEN.findall(text), path


async def test_the_modules_import_each_other_and_nothing_else(client: httpx.AsyncClient) -> None:
    imported = set()
    for path in ASSETS:
        if path.endswith(".js"):
            imported |= set(re.findall(r'from "\./([^"]+)"', (await client.get(path)).text))
    assert {f"/ui/assets/{name}" for name in imported} | {"/ui/assets/main.js"} == {
        path for path in ASSETS if path.endswith(".js")
    }


async def test_all_of_it_is_small_and_asked_for_anew_only_where_it_changed(client: httpx.AsyncClient) -> None:
    total = 0
    for path in PAGE_PATHS:
        answer = await client.get(path)
        total += len(answer.content)
        if path != "/ui":
            again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status_code == 304
    assert total < LARGEST


async def test_it_opens_without_a_key_and_what_models_say_does_not(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys="a-key-of-sixteen-characters") as client:
        for path in (*PAGE_PATHS, "/"):
            assert (await client.get(path, headers={"Accept": BROWSER})).status_code == 200
        for path in ("/models", "/samples", "/symptoms", "/ui/assets/../../models"):
            assert (await client.get(path)).status_code == 401


async def test_it_holds_in_every_answer_what_must_always_be_in_sight(client: httpx.AsyncClient) -> None:
    page = (await client.get("/ui")).text
    assert "Not a medical device." in page
    assert "never stored" in page


async def test_nothing_else_lies_there(client: httpx.AsyncClient) -> None:
    for path in ("/ui/assets", "/ui/assets/", "/ui/assets/nothing.js", "/ui/nothing"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
