"""Health checks for process supervisors and load balancers."""

from fastapi import APIRouter

from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(prefix="/api/health")


@router.get("/live")
async def get_liveness() -> dict[str, str]:
    """The process responds."""
    return {"status": "ok"}


@router.get("/ready")
async def get_readiness(runtime: RuntimeDependency) -> dict[str, str]:
    """The process and its database respond; 503 if the database doesn't."""
    async with runtime.pool.connection() as connection:
        await connection.execute("select 1")
    return {"status": "ok", "version": runtime.version}
