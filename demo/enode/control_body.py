"""Read and validate the bodies of control requests."""

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from demo.enode.problems import Json, ProblemError, list_issues

INVALID = 422


async def read_control_body[M: BaseModel](request: Request, model: type[M]) -> M:
    """Read the request's body as `model`. Raises the 422 that names what is wrong."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise unprocessable(list_issues(error)) from None


def unprocessable(issues: list[Json]) -> ProblemError:
    """Create the 422 for these issues."""
    detail = "; ".join(f"{'.'.join(issue['path']) or 'body'}: {issue['message']}" for issue in issues)
    return ProblemError(INVALID, "Invalid control request", detail, issues)
