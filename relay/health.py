"""Is it alive, is it ready: for supervisors, load balancers and the doctor."""

from fastapi import APIRouter

from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(prefix="/api/health", tags=["Health"])


@router.get("/live")
async def get_liveness() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
async def get_readiness(runtime: RuntimeDependency) -> dict[str, str]:
    """The database answers too; 503 when it does not."""
    async with runtime.pool.connection() as connection:
        await connection.execute("select 1")
    return {"status": "ok", "version": runtime.version}
