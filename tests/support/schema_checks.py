"""What schemathesis checks beside its own checks; the file that it loads for test_openapi_schemas.py."""

from typing import Any

import schemathesis
from schemathesis import Case, Response
from schemathesis.checks import CheckContext

UNTOLD = {401, 405}
"""What every operation may answer and none tells of: the token, which there may be, and other methods."""


@schemathesis.check
def status_is_told_of(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Stricter than status_code_conformance, to which `default` means any."""
    told = {code for code in case.operation.responses.status_codes if code != "default"}
    assert str(response.status_code) in told or response.status_code in UNTOLD, (
        f"{response.status_code} is not one of {sorted(told)}"
    )
