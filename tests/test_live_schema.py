"""The server against its own OpenAPI document, by schemathesis: what fits it and what does not, on sessions that are there."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from animacy.live.openapi import document
from live import Running, serving

schemathesis = pytest.importorskip("schemathesis")

SCHEMA = schemathesis.openapi.from_dict({**document(), "security": []})  # without keys: what they let in is tested elsewhere
EXAMPLES = 15  # of each operation
CHECKS = (
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.negative_data_rejection,
)


@schemathesis.serializer("application/sdp")
def sdp(context: schemathesis.SerializationContext, value: object) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving() as running:
        yield running


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_answers_are_as_the_document_says(server: Running, caplog: pytest.LogCaptureFixture, case: schemathesis.Case) -> None:
    """Status, content type and body; never a 500, never no answer."""
    if "id" in case.path_parameters and len(case.path_parameters["id"]) % 4:  # else as it was made up
        held = server.server._held
        case.path_parameters["id"] = next(iter(held)) if held else server.open()
    with caplog.at_level(logging.ERROR):
        answer = case.call(base_url=server.url, timeout=20)
    assert answer.status_code != 500, caplog.text
    case.validate_response(answer, checks=list(CHECKS))
    for session in list(server.server._held)[1:]:
        server.call("DELETE", f"/v1/sessions/{session}")
