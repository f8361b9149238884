"""POST /admin/reload, for whoever holds the admin key; without such a key there is no such path."""

from fastapi import APIRouter, Request

from app.dependencies import RegistryDep
from app.errors import ReloadUnderWayError, problems
from app.workers.together import reload_all, report
from schemas.meta import ReloadReport

router = APIRouter(prefix="/admin", tags=["service"])


@router.post("/reload", responses=problems(ReloadUnderWayError))
async def reload_models(request: Request, registry: RegistryDep) -> ReloadReport:
    """Look for the bundles again and put the active ones in service. Nothing of the request is read."""
    if team := request.state.team:
        return await reload_all(team)
    return report(await registry.reload())
