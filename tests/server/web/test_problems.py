"""Which response each error of the server's parts becomes."""

import json
from typing import Any

import pytest
from atelier_server.codecs.violations import Invalid, Malformed, NotFinite, Unsupported
from atelier_server.inference.errors import Overloaded, TooLate
from atelier_server.models.errors import NoSuchModel, NothingPromoted, NotServable
from atelier_server.web import problems

from tests.support.inbound import inbound

MALFORMED = Malformed("CSV", "the body is not CSV: line 1")
INVALID = Invalid([("#/a", "is missing")])
INFER = "/v2/models/digits/infer"
NOT_PROMOTED = {"type": "urn:atelier:problem:no-model", "title": "No model promoted yet"}
INVALID_INPUT: dict[str, Any] = {"type": "urn:atelier:problem:invalid-input", "title": "Invalid input"}
INVALID_INPUT["errors"] = [{"pointer": "#/a", "detail": "is missing"}]
NOT_READY = {"name": "digits", "ready": False}


def answered(error: Exception, path: str = "/predict") -> tuple[int, dict[str, Any], str | None]:
    """Status, body and Retry-After of the response."""
    response = problems.response(error, inbound("POST", path))
    assert response.headers["content-type"] == "application/problem+json"
    body = json.loads(bytes(response.body))
    assert (body["status"], body["instance"]) == (response.status_code, path)
    assert body.get("error") == (body["detail"] if path.startswith("/v2") else None)
    return response.status_code, body, response.headers.get("retry-after")


@pytest.mark.parametrize(
    ("error", "path", "status", "members", "retry_after"),
    [
        (MALFORMED, "/predict", 400, {"title": "Malformed CSV", "detail": "the body is not CSV: line 1"}, None),
        (Unsupported("no rows"), "/predict", 415, {"title": "Unsupported Media Type", "detail": "no rows"}, None),
        (INVALID, "/predict", 422, INVALID_INPUT, None),
        (INVALID, INFER, 400, INVALID_INPUT, None),
        (NotFinite("no number"), "/predict", 422, {"type": "about:blank", "title": "Invalid input"}, None),
        (NotFinite("no number"), INFER, 400, {"type": "about:blank", "title": "Invalid input"}, None),
        (NoSuchModel("digits", "none"), INFER, 404, {"title": "Not Found", "detail": "none", **NOT_READY}, None),
        (NothingPromoted("digits", "x"), "/predict", 503, {"detail": "no model promoted yet: x", **NOT_PROMOTED}, "5"),
        (NothingPromoted("digits", "x"), INFER, 503, {**NOT_PROMOTED, **NOT_READY}, "5"),
        (NotServable("digits", OSError("x")), INFER, 503, {"title": "Service Unavailable", **NOT_READY}, "5"),
        (Overloaded("try again"), "/predict", 429, {"title": "Too Many Requests", "detail": "try again"}, "1"),
        (TooLate("late"), INFER, 504, {"title": "Gateway Timeout", "detail": "late"}, "1"),
    ],
)
def test_every_error_has_its_status_and_members(
    error: Exception, path: str, status: int, members: dict[str, Any], retry_after: str | None
) -> None:
    answer = answered(error, path)
    assert (answer[0], answer[2]) == (status, retry_after)
    assert members.items() <= answer[1].items()


def test_only_the_protocol_names_the_model_that_is_not_ready() -> None:
    assert not NOT_READY.keys() & answered(NothingPromoted("digits", "x"))[1].keys()


def test_an_unknown_error_is_a_500_that_tells_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    status, body, _ = answered(ZeroDivisionError("a secret"))
    assert status == 500 and "a secret" not in str(body)
    assert caplog.records[-1].exc_info and caplog.records[-1].getMessage() == "POST /predict failed"
