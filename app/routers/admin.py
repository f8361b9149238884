"""POST /admin/reload, for whoever holds the admin key; without such a key there is no such path."""

from fastapi import APIRouter

from app.dependencies import RegistryDep
from app.errors import ReloadUnderWayError, problems
from schemas.meta import ModelReload, ReloadReport

router = APIRouter(prefix="/admin", tags=["service"])


@router.post("/reload", responses=problems(ReloadUnderWayError))
async def reload_models(registry: RegistryDep) -> ReloadReport:
    """Look for the bundles again and put the active ones in service. Nothing of the request is read."""
    reloads = await registry.reload()
    return ReloadReport(
        success=all(reload.outcome not in ("refused", "kept") for reload in reloads),
        models={
            reload.name: ModelReload(
                outcome=reload.outcome,
                old_version=reload.old_version,
                version=reload.version,
                reason=reload.reason,
            )
            for reload in reloads
        },
    )
