"""What the OpenAPI document says of requests and answers; the routes themselves decode and encode bytes.

The protocol's request is described in full here. codecs/v2.py declares only the form that it decodes fast, so its
classes cannot describe it; a test compares the members' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from atelier_store.records import Column
from atelier_store.spec import ColumnKind
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from atelier_server.web.media_types import CSV, JSON, MULTIPART, OCTETS, PNG, PROBLEM


def _description(text: str) -> ConfigDict:
    """Instead of the docstring, for a text that is longer than a line."""
    return ConfigDict(json_schema_extra={"description": text})


class Violation(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str = Field(examples=["#/instances/0/3"])
    detail: str = Field(examples=["must be 0 to 255, is 256"])


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Violation] = []


class Instances(BaseModel):
    """Rows as the model takes them: nested lists, or objects by feature name where features have names."""

    instances: list[Any] = Field(min_length=1, examples=[[[5.1, 3.5, 1.4, 0.2]]])


class Prediction(BaseModel):
    """Classification gives a label with its probability, regression a value."""

    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    value: float | list[float] | None = None


class Predictions(BaseModel):
    """One prediction per row, and the version that made them."""

    predictions: list[Prediction] = Field(
        examples=[[{"label": "7", "probability": 0.98, "probabilities": {"1": 0.02, "7": 0.98}}]],
    )
    model: str
    version: str


class InferenceInput(BaseModel):
    """One tensor."""

    model_config = _description(
        "One tensor; data is flat in row-major order, or nested, or absent where the parameter binary_data_size says "
        "how many bytes it is."
    )
    name: str = Field(examples=["input"])
    datatype: str = Field(examples=["FP32"])
    shape: list[int] = Field(examples=[[1, 4]])
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = Field(None, examples=[[5.1, 3.5, 1.4, 0.2]])


class RequestedOutput(BaseModel):
    """An output to return."""

    model_config = _description(
        "An output to give; all are given if none is named. With the parameter binary_data it is given as bytes after "
        "the JSON."
    )
    name: str
    parameters: dict[str, Any] | None = None


class InferenceRequest(BaseModel):
    """The protocol's request. With the parameter binary_data_output all outputs are given as bytes after the JSON."""

    id: str | None = None
    parameters: dict[str, Any] | None = None
    inputs: list[InferenceInput]
    outputs: list[RequestedOutput] | None = None


class InferenceOutput(BaseModel):
    """One tensor of the answer."""

    model_config = _description(
        "One tensor, data flat in row-major order, or absent where the parameter binary_data_size says how many bytes "
        "it is."
    )
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferenceResponse(BaseModel):
    """The protocol's answer."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferenceOutput]


COLUMN: dict[ColumnKind, dict[str, Any]] = {
    "number": {"type": ["number", "null"]},
    "category": {"type": ["string", "number", "boolean", "null"]},
    "date": {"type": ["string", "null"], "description": "ISO 8601, in UTC without an offset"},
}
"""What JSON holds of a table's column; null is a gap."""

MOST_SHOWN = 20
"""Levels of a category that its description names."""


def row(columns: Sequence[Column]) -> dict[str, Any]:
    """A row of a table: an object by column, or a list in the columns' order."""
    of_columns = {column.name: COLUMN[column.kind] | _levels(column) for column in columns}
    by_name = {
        "type": "object",
        "properties": of_columns,
        "required": list(of_columns),
        "additionalProperties": False,
    }
    listed = {"type": "array", "prefixItems": list(of_columns.values()), "minItems": len(columns)}
    return {"anyOf": [by_name, listed | {"maxItems": len(columns)}]}


def values(targets: Sequence[str]) -> dict[str, Any]:
    """A prediction of several named targets."""
    return _whole({"value": _whole({name: {"type": "number"} for name in targets})}) | {"title": Prediction.__name__}


def labels(names: Sequence[str]) -> dict[str, Any]:
    """A prediction of any number of these labels."""
    given = {"type": "array", "items": {"enum": list(names)}, "uniqueItems": True}
    probabilities = _whole({name: {"type": "number", "minimum": 0, "maximum": 1} for name in names})
    return _whole({"labels": given, "probabilities": probabilities}) | {"title": Prediction.__name__}


def _whole(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these members."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _levels(column: Column) -> dict[str, str]:
    if column.kind != "category":
        return {}
    more = f" and {len(column.levels) - MOST_SHOWN} more" if len(column.levels) > MOST_SHOWN else ""
    return {"description": f"Trained with {', '.join(column.levels[:MOST_SHOWN])}{more}; anything else is unseen."}


MODELS = (ProblemDetails, Instances, Predictions, InferenceRequest, InferenceResponse)


Invert = Annotated[bool, Query(description="Swap dark and light in pictures, for a model of white on black.")]
TopK = Annotated[int | None, Query(description="Tell only of this many classes, the most probable first.")]


def _content(model: type[BaseModel], media_type: str = JSON) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _answers(problems: dict[int, str], model: type[BaseModel] | None = None) -> dict[str, Any]:
    """Responses: 200 with this model, and a problem for every other status (`default` keeps FastAPI's own 422 out)."""
    details = _content(ProblemDetails, PROBLEM)
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": description, "content": details} for status, description in problems.items()
    }
    responses["default"] = {"description": "Any other problem", "content": details}
    if model:
        responses[200] = {"description": "The answer", "content": _content(model)}
    return {"responses": responses}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_FILES = {"type": "object", "properties": {"file": {"type": "array", "items": _PICTURE["schema"]}}}
_TABLE = {"schema": {"type": "string"}, "example": "length,width\n5.1,3.5\n4.9,3\n"}
_BAD_BODY = {400: "Malformed body", 413: "Body too large", 415: "Wrong Content-Type"}
_NONE = {503: "No model promoted yet, or it cannot be served"}
_WHICH = {404: "No such model or version", **_NONE}
_LATER = {
    408: "The body did not come in time",
    429: "Too many requests are under way",
    504: "No answer within the deadline",
}
_BYTES = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}

PREDICT: dict[str, Any] = {
    **_answers({**_BAD_BODY, 422: "Every violation in the input", **_LATER, **_NONE}, Predictions),
    **_body({**_content(Instances), CSV: _TABLE, MULTIPART: {"schema": _FILES}, PNG: _PICTURE}),
}
INFER: dict[str, Any] = {
    **_answers({**_BAD_BODY, **_LATER, **_WHICH}, InferenceResponse),
    **_body({**_content(InferenceRequest), **_BYTES}),
}
READY: dict[str, Any] = _answers({503: "A signature is asked for, and nothing that has one is served"})
LIVE: dict[str, Any] = _answers({503: "A worker does not answer any more"})
MODEL: dict[str, Any] = _answers(_WHICH)
CARD: dict[str, Any] = _answers(_NONE)
METRICS: dict[str, Any] = {"responses": {200: {"description": "Counters", "content": {"text/plain": {}}}}}
