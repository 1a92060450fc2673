"""A request's head, and its place among the requests under way."""

import pytest
from atelier_server.inference.errors import Overloaded
from atelier_server.inference.threads import Threads
from atelier_server.web.request import InboundRequest

from tests.support.inbound import inbound


def request(method: str = "POST", *headers: tuple[bytes, bytes]) -> InboundRequest:
    return inbound(method, "/predict", *headers)


def test_a_request_that_was_not_admitted_frees_no_place() -> None:
    threads = Threads(1, max_requests=1, deadline=1, on_wait=lambda _: None)
    first, second, third = request(), request(), request()
    first.admit(threads)
    with pytest.raises(Overloaded):
        second.admit(threads)
    second.dismiss()
    with pytest.raises(Overloaded):
        third.admit(threads)
    first.dismiss()
    third.admit(threads)
    threads.stop()


def test_routes_see_head_as_get_and_the_log_sees_head() -> None:
    head = request("HEAD")
    assert (head.scope["method"], head.method) == ("GET", "HEAD")
    assert InboundRequest.of(head.scope) is head


def test_of_headers_with_the_same_name_the_last_counts() -> None:
    sent = request("POST", (b"content-type", b"text/csv"), (b"content-type", b"application/json"))
    assert sent.content_type == "application/json"
    assert request().content_type is None
