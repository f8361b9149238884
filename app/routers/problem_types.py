"""GET /problems and GET /problems/{kind}: what the `type` of an error means."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from app.errors import InvalidRequestError, NotFoundError, ServiceError, problem_kinds, problems
from app.page import VARY, asks_for_a_page
from schemas.meta import ProblemType, ProblemTypeList

Kind = Annotated[str, Path(pattern="^[a-z-]+$", max_length=64, examples=["no-image"])]

router = APIRouter(tags=["service"])


@router.get("/problems")
async def list_problem_types() -> ProblemTypeList:
    """Every kind of error that the service answers."""
    return ProblemTypeList(problems=tuple(_described(error) for error in problem_kinds().values()))


@router.get(
    "/problems/{kind}",
    response_model=ProblemType,
    responses={
        200: {"description": "What it means.", "content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(NotFoundError, InvalidRequestError),
    },
)
async def describe_problem_type(kind: Kind, request: Request, response: Response) -> ProblemType | Response:
    """What the `type` of an error means and what to do about it: JSON, or a page where a browser asks."""
    if (error := problem_kinds().get(kind)) is None:
        raise NotFoundError("There is no error of that type. GET /problems lists them.")
    described = _described(error)
    if asks_for_a_page(request.headers.get("accept", "")):
        return HTMLResponse(_page(described), headers=VARY)
    response.headers.update(VARY)
    return described


def _described(error: type[ServiceError]) -> ProblemType:
    return ProblemType(type=f"/problems/{error.kind}", title=error.title, status=error.status, description=error.advice)


def _page(problem: ProblemType) -> str:
    title = escape(problem.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><p>Status {problem.status}</p><p>{escape(problem.description)}</p></body></html>"
    )
