"""The built-in search space: its parameters, the values that a builder accepts, and the form that equal networks share.

Torch-free, so that a profile is checked in milliseconds.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any, get_args

from atelier_store import tables
from atelier_store.errors import InvalidInput
from atelier_store.spec import Kind, Task

from atelier_trial import own_code

BUILT_IN = "atelier"
STAGES = 4

CONVOLUTIONS = ("conv3", "conv5", "res3", "sep3", "sep5", "mbconv3", "mbconv5")
LAYERS = ("dense", "residual", "gated")
EMBEDDINGS: dict[str, tuple[str, ...]] = {
    "piecewise": ("embedding_width", "embedding_bins"),
    "piecewise_auto": ("embedding_width",),
    "periodic": ("embedding_width", "embedding_frequencies", "embedding_sigma"),
    "pbld": ("embedding_width", "embedding_frequencies", "embedding_sigma"),
}
"""The embeddings of numbers, and the parameters that each has."""
AUGMENTATIONS: dict[Kind, tuple[str, ...]] = {
    "images": ("none", "shift", "flip", "shift_flip", "shift_cutout", "shift_flip_cutout"),
    "signals": ("none", "shift", "noise", "shift_noise"),
    "rows": ("none", "noise"),
}


class InvalidParams(InvalidInput):
    """Parameters that no builder accepts."""


@dataclass(frozen=True)
class Domain:
    """The values that a builder accepts for a parameter: choices, or whole or real numbers from low to high."""

    default: Any
    choices: tuple[Any, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def parse(self, text: str) -> Any:
        """The value of a text. ValueError, which says what is allowed, if it has none."""
        if isinstance(self.default, bool):
            return self._chosen({"true": True, "false": False}, text.lower(), text)
        if self.choices:
            return self._chosen({str(choice): choice for choice in self.choices}, text, text)
        if isinstance(self.default, str):
            return text
        value = float(text) if tables.NUMBER.fullmatch(text) else math.nan
        whole = isinstance(self.default, int)
        is_within = math.isfinite(value) and self.low <= value <= self.high
        if not is_within or (whole and not value.is_integer()):
            raise ValueError(self._refusal(text))
        return int(value) if whole else value

    def _chosen(self, choices: dict[str, Any], word: str, text: str) -> Any:
        if word not in choices:
            raise ValueError(self._refusal(text))
        return choices[word]

    def _refusal(self, text: str) -> str:
        return f'"{text}" is not allowed; allowed: {self.allowed}'

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if isinstance(self.default, bool):
            return "true, false"
        if self.choices:
            return ", ".join(map(str, self.choices))
        kind = "whole numbers" if isinstance(self.default, int) else "numbers"
        return f"{kind} from {self.low:g} to {self.high:g}"


def training_domains(kind: Kind, task: Task) -> dict[str, Domain]:
    """Parameters of the training; every network has them."""
    domains = {
        "lr": Domain(3e-3, low=1e-6, high=1.0),
        "weight_decay": Domain(0.05, low=0.0, high=10.0),
        "batch": Domain(128, low=2, high=65536),
        "augment": Domain("none", choices=AUGMENTATIONS[kind]),
    }
    if task == "classification":
        domains["label_smoothing"] = Domain(0.0, low=0.0, high=0.5)
    return domains | photo_domains(kind)


UNSEEN = ("dropout",)
"""Parameters of networks that no score of an untrained one sees."""


def is_scored(name: str, kind: Kind, task: Task) -> bool:
    """Whether a parameter builds the network, as far as a score of the untrained network can tell."""
    return name not in UNSEEN and name not in training_domains(kind, task)


def is_scored_in_all(name: str) -> bool:
    """Whether is_scored says so of data of every kind and task: what they are may not be known yet."""
    return all(is_scored(name, kind, task) for kind in get_args(Kind) for task in get_args(Task))


def photo_domains(kind: Kind) -> dict[str, Domain]:
    """Parameters of the training on pictures that came later: at its default each changes nothing."""
    if kind != "images":
        return {}
    return {
        "augment_crop": Domain(1.0, low=0.05, high=1.0),
        "augment_colour": Domain(0.0, low=0.0, high=1.0),
        "augment_magnitude": Domain(0, low=0, high=30),
        "augment_mixup": Domain(0.0, low=0.0, high=10.0),
        "augment_cutmix": Domain(0.0, low=0.0, high=10.0),
    }


def network_domains(kind: Kind) -> dict[str, Domain]:
    """Parameters of the built-in networks; a stage of depth 0 does not exist."""
    convolutional = kind != "rows"
    domains = {
        "stem_width": Domain(16, low=1, high=1024),
        "activation": Domain("relu", choices=("relu", "silu", "gelu", "hardswish")),
        "dropout": Domain(0.0, low=0.0, high=0.9),
    }
    for stage in range(1, STAGES + 1):
        domains[f"stage{stage}_depth"] = Domain(1 if stage == 1 else 0, low=0, high=16)
        domains[f"stage{stage}_width"] = Domain(32, low=1, high=4096)
        operations = CONVOLUTIONS if convolutional else LAYERS
        domains[f"stage{stage}_op"] = Domain(operations[0], choices=operations)
        if convolutional:
            domains[f"stage{stage}_stride"] = Domain(1 if stage == 1 else 2, choices=(1, 2))
    if convolutional:
        domains["se"] = Domain(False)
        domains["head"] = Domain("avg", choices=("avg", "max", "avgmax"))
    return domains if convolutional else domains | row_domains()


def row_domains() -> dict[str, Domain]:
    """Parameters of the built-in networks for rows that came later: at its default each changes nothing."""
    return {
        "scaling": Domain("standard", choices=("standard", "robust", "linear")),
        "embedding": Domain("none", choices=("none", *EMBEDDINGS)),
        "embedding_width": Domain(8, low=2, high=128),
        "embedding_bins": Domain(32, low=2, high=512),
        "embedding_frequencies": Domain(16, low=1, high=512),
        "embedding_sigma": Domain(0.1, low=1e-3, high=100.0),
        "norm": Domain("batch", choices=("batch", "none")),
        "parametrisation": Domain("standard", choices=("standard", "ntk")),
        "members": Domain(1, low=1, high=64),
    }


def needs_row_networks(params: dict[str, Any]) -> bool:
    """Whether canonical params are of a network that the first ones for rows could not be."""
    return not row_domains().keys().isdisjoint(params)


def domains(kind: Kind, task: Task, network: str = BUILT_IN) -> dict[str, Domain]:
    """Every parameter that may be searched, by name. InvalidParams if the user's network cannot be imported."""
    architecture = network_domains(kind) if network == BUILT_IN else user_domains(network)
    return training_domains(kind, task) | architecture


def user_function(network: str) -> Any:
    """The function that `module:function` names. InvalidParams, which says what is missing, if there is none."""
    if not all(network.partition(":")):
        raise InvalidParams([f"trainer.network: {network!r}; allowed: {BUILT_IN}, or module:function"])
    try:
        return own_code.function("trainer.network", network)
    except InvalidInput as error:
        raise InvalidParams(error.violations) from error


def user_domains(network: str) -> dict[str, Domain]:
    """The parameters of a user's function but input_shape and outputs; their defaults give type and value."""
    by_name, violations = {}, []
    for name, parameter in inspect.signature(user_function(network)).parameters.items():
        if name in ("input_shape", "outputs"):
            continue
        if not isinstance(parameter.default, (bool, int, float, str)):
            violations.append(
                f"trainer.network: {network}: parameter {name!r} needs a default that is a bool, int, float or str"
            )
        else:
            by_name[name] = Domain(parameter.default)
    if violations:
        raise InvalidParams(violations)
    return by_name


def canonicalise(params: dict[str, str], kind: Kind, task: Task, network: str = BUILT_IN) -> dict[str, Any]:
    """The form that equal networks share: defaults filled in, values typed, parameters without effect dropped.

    Raises InvalidParams with every violation.
    """
    known = domains(kind, task, network)
    violations = [
        f"{name}: unknown parameter; allowed: {', '.join(sorted(known))}" for name in params if name not in known
    ]
    values: dict[str, Any] = {}
    for name, domain in known.items():
        try:
            values[name] = domain.parse(params[name]) if name in params else domain.default
        except ValueError as error:
            violations.append(f"{name}: {error}")
    if violations:
        raise InvalidParams(violations)
    values = _without_defaults(values, photo_domains(kind))
    if network != BUILT_IN:
        return values
    return _with_stages(values if kind != "rows" else _without_row_defaults(values), kind)


def architecture(params: dict[str, str], kind: Kind, task: Task, network: str = BUILT_IN) -> dict[str, Any]:
    """The canonical parameters that build the network, without those of its training. InvalidParams, likewise."""
    training = training_domains(kind, task)
    return {name: value for name, value in canonicalise(params, kind, task, network).items() if name not in training}


def _without_row_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Without the later parameters of rows that are at their defaults, as before they were there, or have no effect."""
    without_effect = {"embedding_width", "embedding_bins", "embedding_frequencies", "embedding_sigma"}
    without_effect.difference_update(EMBEDDINGS.get(values["embedding"], ()))
    return _without_defaults({k: v for k, v in values.items() if k not in without_effect}, row_domains())


def _without_defaults(values: dict[str, Any], later: dict[str, Domain]) -> dict[str, Any]:
    """Without parameters that came later and are at their defaults, as before they were there."""
    return {name: value for name, value in values.items() if name not in later or value != later[name].default}


def _with_stages(values: dict[str, Any], kind: Kind) -> dict[str, Any]:
    fields = ("depth", "width", "op", "stride") if kind != "rows" else ("depth", "width", "op")
    stages = [{field: values.pop(f"stage{stage}_{field}") for field in fields} for stage in range(1, STAGES + 1)]
    stages = [stage for stage in stages if stage["depth"] > 0]
    if not stages:
        values.pop("se", None)
    return values | {"stages": stages}
