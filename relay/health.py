"""Is it alive, is it ready: for supervisors, load balancers and the doctor."""

from fastapi import APIRouter

from relay.usecases.runtime import RuntimeDependency

router = APIRouter(prefix="/api/health", tags=["Health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(runtime: RuntimeDependency) -> dict[str, str]:
    """The database answers too; 503 when it does not."""
    async with runtime.pool.connection() as connection:
        await connection.execute("select 1")
    return {"status": "ok", "version": runtime.version}
