"""The OpenAPI document: what the routes say of themselves, and what the model that is served takes and gives."""

from __future__ import annotations

import base64
import copy
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from atelier_server.codecs import rows
from atelier_server.inference.service import Service
from atelier_server.models.model import Model
from atelier_server.web import body
from atelier_server.web.openapi import examples, schemas

PICTURE = 'The picture of the example, to be sent as a file of a form or as the body:\n\n<img alt="" width="112" src="data:image/png;base64,{}">'


def install(app: FastAPI, service: Service) -> None:
    """Complete the app's document, anew whenever another model is served. Without one it describes what any model may take."""
    of_any = app.openapi
    told: dict[str, Any] = {}
    of: Model | None = None

    def openapi() -> dict[str, Any]:
        nonlocal told, of
        model = service.catalogue.follower.model
        if not told or model is not of:
            told, of = copy.deepcopy(of_any()), model
            told.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
            if model:
                _narrow(told["paths"], model)
                _give_examples(told["paths"], model)
        return told

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _schemas() -> dict[str, Any]:
    wanted = [(model, "validation") for model in schemas.MODELS]
    # pydantic asks for a list of its own literal, which no other list is
    definitions: dict[str, Any] = models_json_schema(wanted, ref_template="#/components/schemas/{model}")[1]["$defs"]  # type: ignore[arg-type]
    return definitions


def _narrow(paths: dict[str, Any], model: Model) -> None:
    """Leave out what this model does not take, and say which one it is."""
    predict = paths["/predict"]["post"]
    is_of_images, classes = model.manifest.kind == "images", len(rows.classes(model.manifest))
    for media_type in [body.CSV] if is_of_images else [body.MULTIPART, schemas.PNG]:
        del predict["requestBody"]["content"][media_type]
    absent = {"invert": not is_of_images, "top_k": not classes}
    predict["parameters"] = [parameter for parameter in predict["parameters"] if not absent.get(parameter["name"])]
    known = {"name": model.name, "version": model.version}
    for parameter in (
        p for methods in paths.values() for operation in methods.values() for p in operation.get("parameters", [])
    ):
        if parameter["name"] == "top_k":
            parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": classes}
        elif parameter["in"] == "path":
            parameter["example"] = known[parameter["name"]]


def _give_examples(paths: dict[str, Any], model: Model) -> None:
    """A real request in every form, and its answer."""
    if not examples.can_be_told(model):
        return
    predict = paths["/predict"]["post"]
    requests, answers = _contents(predict)
    answers[body.JSON]["example"] = examples.predictions(model)
    if body.MULTIPART in requests and (picture := examples.picture(model)):
        predict["requestBody"]["description"] = PICTURE.format(base64.b64encode(picture).decode())
    if not examples.can_be_written(model):
        return
    requests[body.JSON]["examples"] = {name: {"value": value} for name, value in examples.instances(model).items()}
    if body.CSV in requests:
        requests[body.CSV]["example"] = examples.table(model)
    for path, methods in paths.items():
        if path.endswith("/infer"):
            requests, answers = _contents(methods["post"])
            requests[body.JSON]["example"], answers[body.JSON]["example"] = (
                examples.inference(model),
                examples.inferred(model),
            )


def _contents(operation: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a request may have, and what its answer has, by media type."""
    return operation["requestBody"]["content"], operation["responses"]["200"]["content"]
