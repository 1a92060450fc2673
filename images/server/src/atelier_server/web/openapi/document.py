"""The OpenAPI document: the routes, and the inputs and outputs of the served model."""

from __future__ import annotations

import base64
import copy
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from atelier_server.codecs import rows
from atelier_server.inference.service import Service
from atelier_server.models.model import Model
from atelier_server.web.media_types import CSV, JSON, MULTIPART, PNG
from atelier_server.web.openapi import examples, schemas
from atelier_server.web.routes import predict, v2

PICTURE = (
    "The picture of the example, to be sent as a file of a form or as the body:\n\n"
    '<img alt="" width="112" src="data:image/png;base64,{}">'
)


def install(app: FastAPI, service: Service) -> None:
    """Complete the app's document, again whenever another model is served. Without one it describes any model."""
    of_any_model = app.openapi
    document: dict[str, Any] = {}
    described: Model | None = None

    def openapi() -> dict[str, Any]:
        nonlocal document, described
        model = service.follower.model
        if not document or model is not described:
            document, described = copy.deepcopy(of_any_model()), model
            document.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
            if model:
                _narrow(document["paths"], model)
                if columns := model.manifest.columns:
                    rows_of = document["components"]["schemas"][schemas.Instances.__name__]["properties"]["instances"]
                    rows_of |= {"items": schemas.row(columns), "examples": []}
                if found := _prediction(model):
                    document["components"]["schemas"][schemas.Prediction.__name__] = found
                _add_examples(document["paths"], model)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _prediction(model: Model) -> dict[str, Any] | None:
    """What a prediction is of a model of labels or of several named targets; None of any other."""
    manifest = model.manifest
    if manifest.task == "multilabel":
        return schemas.labels(manifest.labels or ())
    return schemas.values(manifest.target_names) if manifest.target_names else None


def _schemas() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in schemas.MODELS]
    definitions: dict[str, Any] = models_json_schema(models, ref_template="#/components/schemas/{model}")[1]["$defs"]
    return definitions


def _narrow(paths: dict[str, Any], model: Model) -> None:
    """Leave out what this model does not take, and name it in the paths."""
    operation = paths[predict.PATH]["post"]
    takes_images, classes = model.manifest.kind == "images", len(rows.classes(model.manifest))
    for media_type in [CSV] if takes_images else [MULTIPART, PNG]:
        del operation["requestBody"]["content"][media_type]
    absent = {"invert": not takes_images, "top_k": not classes}
    operation["parameters"] = [parameter for parameter in operation["parameters"] if not absent.get(parameter["name"])]
    known = {"name": model.name, "version": model.version}
    operations = [operation for methods in paths.values() for operation in methods.values()]
    for parameter in (parameter for operation in operations for parameter in operation.get("parameters", [])):
        if parameter["name"] == "top_k":
            parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": classes}
        elif parameter["in"] == "path":
            parameter["example"] = known[parameter["name"]]


def _add_examples(paths: dict[str, Any], model: Model) -> None:
    """A real request in every form, and its answer."""
    if not examples.is_finite(model):
        return
    operation = paths[predict.PATH]["post"]
    requests, answers = _contents(operation)
    answers[JSON]["example"] = examples.predictions(model)
    if MULTIPART in requests and (picture := examples.picture(model)):
        operation["requestBody"]["description"] = PICTURE.format(base64.b64encode(picture).decode())
    if not examples.is_short(model):
        return
    requests[JSON]["examples"] = {name: {"value": value} for name, value in examples.instances(model).items()}
    if CSV in requests:
        requests[CSV]["example"] = examples.table(model)
    for path in (v2.INFER, v2.INFER_VERSION):
        requests, answers = _contents(paths[path]["post"])
        requests[JSON]["example"] = examples.inference(model)
        answers[JSON]["example"] = examples.inferred(model)


def _contents(operation: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The contents of a request and of its answer, by media type."""
    return operation["requestBody"]["content"], operation["responses"]["200"]["content"]
