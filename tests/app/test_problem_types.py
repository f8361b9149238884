"""What /problems/... says is what the errors are."""

import inspect

import httpx
import pytest

from app import errors

pytestmark = pytest.mark.anyio


async def test_every_error_of_the_service_has_a_page_of_its_own(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/problems")).json()["problems"]
    members = [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.ServiceError) and each is not errors.ServiceError
    ]
    assert len(members) > 20
    assert {problem["title"] for problem in listed} == {member.title for member in members}
    assert [problem["status"] for problem in listed] == sorted(problem["status"] for problem in listed)
    for problem in listed:
        assert (await client.get(problem["type"])).json() == problem


async def test_the_type_of_an_error_leads_to_what_it_means(client: httpx.AsyncClient) -> None:
    error = (await client.post("/analyze/skin")).json()
    meaning = (await client.get(error["type"])).json()
    assert (meaning["type"], meaning["title"], meaning["status"]) == (error["type"], error["title"], 400)


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8"])
async def test_a_browser_gets_a_page(client: httpx.AsyncClient, accept: str) -> None:
    page = await client.get("/problems/no-image", headers={"Accept": accept})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<h1>No image provided</h1>" in page.text
    assert "Accept" in page.headers["Vary"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html", ""])
async def test_anybody_else_gets_json(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/problems/no-image", headers={"Accept": accept})
    assert answer.json()["status"] == 400


async def test_an_unknown_type_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/problems/headache")).status_code == 404
    assert (await client.get("/problems/No-Image")).status_code == 422
