"""Write what the code knows of tasks, algorithms, data sources and search spaces into the chart.

    make chart-docs

What JSON Schema can say becomes the conditions (`allOf`) of values.schema.json, which Helm, the command and editors
read. The tables for the other rules become files/facts.json, which templates/_checks.tpl reads. Tests compare both
files with what this writes.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from atelier_cli.profile import pods, yaml_lines
from atelier_cli.profile.completing import kept_nulls
from atelier_cli.profile.facts import (
    ALGORITHM_SETTINGS,
    DRAWS_NORMAL,
    EARLY_STOPPING_SETTINGS,
    KINDS,
    METRICS,
    ON_A_CLUSTER,
    PARALLEL_ON_A_CLUSTER,
    Choice,
    Number,
)
from atelier_cli.profile.merging import merge
from atelier_cli.profile.schema import places
from atelier_cli.profile.texts import TEXTS
from atelier_store.objectives import COSTS
from atelier_store.spec import FAILED_TRIALS, EarlyStopping
from atelier_trial.data.files import LABELS, OPTIONAL, PAIRS, REQUIRED
from atelier_trial.data.sources import BUNDLED
from atelier_trial.default_space import default_space
from atelier_trial.space import AUGMENTATIONS, Domain, domains

CHART = Path(__file__).resolve().parents[1] / "charts" / "katib-nas-atelier"
Json = dict[str, Any]

# files/facts.json


def facts() -> Json:
    """Domains by kind and task, spaces by kind, settings by algorithm, kinds by source, autos, defaults of halving."""
    halving = EarlyStopping()
    return {
        "domains": {
            f"{kind} {task}": {name: of_domain(domain) for name, domain in domains(kind, task).items()}
            for kind in AUGMENTATIONS
            for task in METRICS
        },
        "settings": {
            name: {setting: of_setting(rule) for setting, rule in rules.items()}
            for name, rules in (ALGORITHM_SETTINGS | EARLY_STOPPING_SETTINGS).items()
        },
        "kinds": KINDS,
        "spaces": {kind: space for kind in AUGMENTATIONS if (space := default_space(kind))},
        "metrics": {task: list(names) for task, names in METRICS.items()},
        "failedTrials": FAILED_TRIALS,
        "algorithm": ON_A_CLUSTER,
        "parallelTrials": PARALLEL_ON_A_CLUSTER,
        "halving": {"eta": halving.eta, "min_epochs": halving.min_epochs},
        "defaults": defaults(),
        "keptNulls": sorted(".".join(map(str, at)) for at in kept_nulls(defaults())),
        "texts": {
            kind: {"pattern": f"^(?:{text.pattern})$", "words": text.words, "numbers": text.may_be_number}
            for kind, text in TEXTS.items()
        },
        "finishes": list(pods.FINISHES),
        "own": [of_own(one) for one in pods.OWN],
        "ownVariables": [
            {"pod": one.pod, "name": one.name, "when": [list(keys) for keys in one.when]} for one in pods.OWN_VARIABLES
        ],
        "places": list(of_texts(json.loads((CHART / "values.schema.json").read_text()))),
    }


def defaults() -> Json:
    """The values of values.yaml, which Helm's templates cannot read."""
    return yaml_lines.read(CHART / "values.yaml").values


BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def of_texts(schema: Json) -> Iterator[Json]:
    """The places of values that hold text of a kind; of a number that may be text, its bounds too."""
    for at, part in places(schema, schema):
        if "x-text" in part:
            bounds = {key: part[key] for key in BOUNDS if key in part} if part["x-text"] == "decimal" else {}
            yield {"at": list(at), "kind": part["x-text"]} | bounds


def of_own(own: pods.Own) -> Json:
    """What the chart itself gives to a pod, as JSON."""
    return {
        "pod": own.pod,
        "volume": own.volume,
        "mount": own.mount,
        "when": [list(keys) for keys in own.when],
        "beside": own.is_beside,
    }


def of_domain(domain: Domain) -> Json:
    """What a builder accepts of a parameter, as JSON can say it."""
    if isinstance(domain.default, bool) or domain.choices:
        choices = {"choices": domain.allowed.split(", "), "allowed": domain.allowed}
        return choices | ({"anyCase": True} if isinstance(domain.default, bool) else {})
    whole = isinstance(domain.default, int)
    return {"low": domain.low, "high": domain.high, "whole": whole, "allowed": domain.allowed}


def of_setting(rule: Number | Choice) -> Json:
    """What an algorithm accepts as a setting, as JSON can say it."""
    if isinstance(rule, Choice):
        return {"choices": list(rule.words), "allowed": ", ".join(rule.words)}
    bounds = {key: bound for key, bound in (("low", rule.low), ("high", rule.high)) if math.isfinite(bound)}
    return bounds | {"whole": rule.whole, "open": rule.is_open, "digits": rule.whole, "allowed": rule.allowed}


# conditions of values.schema.json


WEIGHTED = ("csv", "table", "npz")
"""Sources whose rows may have weights, beside functions of the user's own."""


def conditions() -> dict[str, list[Json]]:
    """What values ask of each other, by the block of values or the definition of the schema that holds them all."""
    search = within("experiment.enabled", one_of([True]), required=True)
    of_task = {task: within("trainer.data.task", one_of([task]), required=True) for task in METRICS}
    taken = sorted({name.partition("_")[2] for known in METRICS.values() for name in known})
    url = within("url", TEXT, required=True)
    without_share = within("validationFraction", one_of([defaults()["trainer"]["data"]["validationFraction"]]))
    return {
        "": [
            condition(
                f"trainer.data.task is {task}",
                {"allOf": [search, of_task[task], within("trainer.metrics", one_of([None]), required=True)]},
                within("experiment.objective.objectiveMetricName", one_of(metrics)),
                within("experiment.objective.additionalMetricNames", {"items": one_of(metrics)}),
                within("experiment.objectives", {"items": within("metric", one_of([*COSTS, *metrics]))}),
            )
            for task, metrics in METRICS.items()
        ]
        + [
            condition(
                f"trainer.data.task is {task}",
                {"allOf": [search, of_task[task]]},
                within("trainer.classWeights", one_of(["none"])),
                *([within("trainer.threshold", NULL)] if task == "regression" else []),
            )
            for task in ("multilabel", "regression")
        ],
        "experiment": [
            when(
                {"algorithm.algorithmName": [name for name in ALGORITHM_SETTINGS if name not in DRAWS_NORMAL]},
                each_parameter(within("feasibleSpace.distribution", one_of(["uniform", "logUniform", None]))),
            ),
            when(
                {"algorithm.algorithmName": ["atelier"]},
                within("earlyStopping.algorithmName", one_of(["halving", "none", None])),
            ),
            when(
                {"algorithm.algorithmName": ["grid"]},
                each_parameter(
                    when(
                        {"parameterType": ["double"]},
                        within("feasibleSpace.step", {"type": ["number", "string"]}, required=True),
                    )
                ),
            ),
        ],
        "experiment.objective": [
            when({"objectiveMetricName": better(direction)}, within("type", one_of([direction])))
            for direction in ("maximize", "minimize")
        ],
        "otherObjective": [
            when({"metric": [*COSTS, *better("minimize")]}, within("type", one_of(["minimize"]))),
            when({"metric": better("maximize")}, within("type", one_of(["maximize"]), required=True)),
        ],
        "experiment.algorithm": [settings(name, known) for name, known in ALGORITHM_SETTINGS.items()],
        "experiment.earlyStopping": [settings(name, known) for name, known in EARLY_STOPPING_SETTINGS.items()],
        "parameter": [
            when(
                {"parameterType": ["int", "double"]},
                within("feasibleSpace", only(("min", "max", "step", "distribution"), required=("min", "max"))),
            ),
            when(
                {"parameterType": ["categorical", "discrete"]},
                within("feasibleSpace", only(("list",), required=("list",))),
            ),
            when(
                {"parameterType": ["int"]},
                *(within(f"feasibleSpace.{bound}", defined("whole")) for bound in ("min", "max")),
                within("feasibleSpace.step", {"type": ["integer", "string", "null"], "x-text": "whole"}),
            ),
            when({"parameterType": ["discrete"]}, within("feasibleSpace.list", {"items": defined("number")})),
        ],
        "trainer": [
            condition(
                "loss is given",
                within("loss", {"type": "string"}, required=True),
                within("classWeights", one_of(["none"])),
                within("data.weight", NULL),
            ),
            condition(
                "data.folds is given: the network learns from every example, and none is left to score an average on",
                within("data.folds", {"type": "integer"}, required=True),
                within("finish.average", NULL),
                within("finish.mirror", one_of([False])),
                within("finish.retrain", NULL),
                within("finish.int8", NULL),
            ),
            condition(
                "finish.retrain is given: no example is left to measure on what int8 loses",
                within("finish.retrain", {"type": "string"}, required=True),
                within("finish.int8", NULL),
            ),
            condition(
                "a metric has that name already",
                within("metrics", {"not": NULL}, required=True),
                within("metrics", {"properties": dict.fromkeys(taken, NULL)}),
            ),
        ],
        "trainer.data": [
            *(
                when(
                    {"source": [source]},
                    within("files", only(REQUIRED[source] + OPTIONAL[source], REQUIRED[source])),
                    within("name", one_of(BUNDLED), required=True) if source == "sklearn" else within("name", NULL),
                    within("target", {"type": ["string", "number", "boolean", "array"]}, required=True)
                    if source in ("csv", "table")
                    else within("target", NULL),
                    *([] if source == "images" else [within("image", NULL), within("onUnreadable", NULL)]),
                    *([] if source == "table" else [within("columns", NULL), within("table", NULL)]),
                    *([] if source in WEIGHTED else [within("weight", NULL)]),
                )
                for source in REQUIRED
            ),
            condition(
                "source is a function of yours",
                within("source", {"type": "string", "not": one_of(REQUIRED)}, required=True),
                *(within(key, NULL) for key in ("name", "target", "image", "onUnreadable", "columns", "table")),
            ),
            condition(
                "source is not table",
                within("source", {"type": "string", "not": one_of(["table"])}, required=True),
                within("split", within("by", one_of(["stratified", "random"]))),
            ),
            when(
                {"task": ["multilabel", "regression"]},
                within("split", within("by", one_of(["random", "group", "time"]))),
            ),
            when(
                {"source": ["idx"]},
                within("files", {"dependencies": dict(one for pair in PAIRS for one in both(pair))}),
            ),
            when(
                {"source": ["images"]},
                within("files", {"dependencies": {table: [pictures] for table, pictures in LABELS.items()}}),
            ),
            *(
                condition(
                    f"files.{role} is given, and all its rows are for validation",
                    having(role),
                    without_share,
                    within("folds", NULL),
                )
                for role in ("validation", PAIRS[0][0])
            ),
            condition(
                "folds is given, and all examples are validated with",
                within("folds", {"type": "integer"}, required=True),
                without_share,
            ),
            *(
                condition(
                    f"files.{one} and files.{other} are given, so that nothing is left to split",
                    having(one, other),
                    within("split", NULL),
                )
                for one, other in (("validation", "test"), (PAIRS[0][0], PAIRS[1][0]))
            ),
            when({"source": ["images"]}, within("task", one_of(["classification"]))),
            when({"task": ["regression"]}, within("labels", NULL)),
            when({"task": ["classification"]}, within("target", {"type": ["string", "number", "boolean", "null"]})),
        ],
        "trainer.data.split": [
            when({"by": ["group", "time"]}, within("column", {"type": ["string", "number", "boolean"]}, required=True)),
            when({"by": ["stratified", "random"]}, within("column", NULL)),
        ],
        "variable": [
            condition(
                "valueFrom is given",
                within("valueFrom", {"type": "object"}, required=True),
                within("value", {"enum": [None, ""]}),
            )
        ],
        "toleration": [
            when({"operator": ["Exists"]}, within("value", one_of([""]))),
            condition(
                "no key is given",
                {"not": within("key", {"type": "string", "minLength": 1}, required=True)},
                within("operator", one_of(["Exists"]), required=True),
            ),
            condition(
                "tolerationSeconds is given",
                within("tolerationSeconds", {"type": "integer"}, required=True),
                within("effect", one_of(["NoExecute"]), required=True),
            ),
        ],
        "file": [
            condition("url is given", url, within("sha256", TEXT, required=True), within("path", NULL)),
            condition(
                "no url is given", {"not": url}, within("path", TEXT, required=True), within("headersFrom", NULL)
            ),
        ],
        "server": [when({"autoscaling.enabled": [True]}, within("resources.requests.cpu", {}, required=True))],
        "server.service": [when({"type": ["ClusterIP"]}, within("nodePort", NULL))],
        "server.ingress": [when({"enabled": [True]}, within("hosts", {"minItems": 1}))],
        "server.httpRoute": [when({"enabled": [True]}, within("parentRefs", {"minItems": 1}))],
        "quota": [when({"enabled": [True]}, within("hard", {"minProperties": 1}))],
    }


NULL, TEXT = {"type": "null"}, {"type": "string"}


def within(path: str, rule: Json, required: bool = False) -> Json:
    """A schema that applies a rule to the value at a dotted path; required: the value has to be there."""
    for key in reversed(path.split(".")):
        rule = {"properties": {key: rule}} | ({"required": [key]} if required else {})
    return rule


def when(values: Mapping[str, Sequence[Any]], *rules: Json) -> Json:
    """A schema that applies rules where the value at a dotted path is one of these."""
    ((path, choices),) = values.items()
    words = [choice if isinstance(choice, str) else json.dumps(choice) for choice in choices]
    either = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return condition(f"{path} is {either}", within(path, one_of(choices), required=True), *rules)


def condition(comment: str, test: Json, *rules: Json) -> Json:
    """A schema that applies rules to what passes a test. The command ends its messages with the comment: where …"""
    return {"$comment": comment, "if": test, "then": functools.reduce(together, rules)}


def together(one: Json, other: Json) -> Json:
    """A schema that applies two rules for different keys."""
    required = [*one.get("required", ()), *other.get("required", ())]
    return merge(one, other) | ({"required": required} if required else {})


def one_of(choices: Iterable[Any]) -> Json:
    """A schema for one of these values."""
    return {"enum": list(choices)}


def only(keys: Iterable[str], required: Iterable[str]) -> Json:
    """A schema for a mapping with no other keys."""
    return {"properties": {key: {} for key in keys}, "additionalProperties": False, "required": list(required)}


def defined(name: str) -> Json:
    """A reference to one of the schema's definitions."""
    return {"$ref": f"#/definitions/{name}"}


def each_parameter(rule: Json) -> Json:
    """A schema that applies a rule to every parameter of the search space."""
    return within("parameters", {"items": rule})


def having(*roles: str) -> Json:
    """A schema of data with these files, of a source that takes them for what their roles say, as no function does."""
    sources = [source for source in REQUIRED if set(roles) <= {*REQUIRED[source], *OPTIONAL[source]}]
    files = [within(f"files.{role}", {}, required=True) for role in roles]
    return {"allOf": [within("source", one_of(sources), required=True), *files]}


def both(pair: tuple[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The dependencies by which each of two keys needs the other."""
    yield pair[0], [pair[1]]
    yield pair[1], [pair[0]]


def better(direction: str) -> list[str]:
    """The metrics that are better in this direction."""
    return sorted({name for known in METRICS.values() for name, way in known.items() if way == direction})


def settings(algorithm: str, known: Iterable[str]) -> Json:
    """A schema for the names of an algorithm's settings."""
    names = {"items": within("name", one_of(known))} if known else {"maxItems": 0}
    return when({"algorithmName": [algorithm]}, within("algorithmSettings", names))


def conditioned(schema: Json) -> Json:
    """The schema with these conditions in place of its own."""
    for place, parts in conditions().items():
        block = schema["definitions"].get(place)
        if block is None:
            block = functools.reduce(lambda part, key: part["properties"][key], filter(None, place.split(".")), schema)
        block["allOf"] = parts
        default = (
            None
            if place in schema["definitions"]
            else functools.reduce(_key, filter(None, place.split(".")), defaults())
        )
        for part in parts:
            hold_by_default(part["if"], default)
    return schema


def _key(values: Json, key: str) -> Json:
    found: Json = values[key]
    return found


def hold_by_default(test: Json, default: Any) -> bool:
    """Let a test pass without the key whose default passes it: null is the default. Whether it does."""
    if "allOf" in test:
        held = [hold_by_default(part, default) for part in test["allOf"]]
        return all(held)
    if "enum" in test:
        return default in test["enum"]
    inner = test.get("properties", {}).items() if isinstance(default, dict) else ()
    does = bool(inner) and all(hold_by_default(part, default.get(key)) for key, part in inner)
    if does:
        test.pop("required", None)
    return does


def text(value: Any, indent: int = 0, key: str = "") -> str:
    """JSON in lines of 120 columns: what fits stands on one line, all else goes a line for each of its parts."""
    flat = key + json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or indent + len(flat) < 120:
        return flat
    parts = (
        [(f"{json.dumps(name)}: ", part) for name, part in value.items()]
        if isinstance(value, dict)
        else [("", part) for part in value]
    )
    lines = ",\n".join(" " * (indent + 2) + text(part, indent + 2, name) for name, part in parts)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{key}{opening}\n{lines}\n{' ' * indent}{closing}"


def main() -> None:
    """Write both files."""
    schema = CHART / "values.schema.json"
    schema.write_text(text(conditioned(json.loads(schema.read_text()))) + "\n")
    (CHART / "files" / "facts.json").write_text(text(facts()) + "\n")


if __name__ == "__main__":
    main()
