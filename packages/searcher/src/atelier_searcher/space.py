"""A search space as Optuna has it: its distributions, and the texts that Katib has for their values."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from atelier_store.spec import Parameter
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Point = dict[str, Any]
"""A value for each parameter, as Optuna has it."""


MOST_NEIGHBOURS = 16
"""Values of a parameter that are all next to each other; of more, only the two beside one are."""


ON_A_STEP = 1e-6
"""Of a step; as far as a number that was written as text may be from it."""


class Space:
    """The parameters of a search. params are the texts of a point, as Katib would pass them to a trial.

    sharing has the names of parameters that have the same values, such as the operations of several places.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._choices = {
            p.name: _sorted_choices(p) for p in parameters if p.parameter_type in ("discrete", "categorical")
        }
        self.distributions: dict[str, BaseDistribution] = {p.name: distribution(p) for p in parameters}
        self.sharing = _sharing(parameters)

    def params(self, point: Mapping[str, Any]) -> dict[str, str]:
        """The texts of a point."""
        return {name: self._text(name, value) for name, value in point.items()}

    def point(self, params: Mapping[str, str]) -> Point:
        """The point that has these texts."""
        return {name: self._value(name, text) for name, text in params.items()}

    def shared(self, params: Mapping[str, str]) -> Point | None:
        """The values of those parameters that are of this space too; None if one of them lies outside of it."""
        point: Point = {}
        for name, text in params.items():
            if name in self.distributions:
                value = self._within(name, text)
                if value is None:
                    return None
                point[name] = value
        return point

    def ordered(self, point: Point) -> Point:
        """The point, with its parameters in the order of the space."""
        return {name: point[name] for name in self.distributions}

    @property
    def size(self) -> float:
        """How many points there are; infinity if a parameter has no step."""
        return math.prod(map(_count, self.distributions.values()))

    def points(self, seed: int) -> Iterator[Point]:
        """Every point once, in an order drawn from the seed (a Fisher-Yates shuffle, one draw at a time)."""
        axes = {name: _values(distribution) for name, distribution in self.distributions.items()}
        draw = random.Random(seed)  # noqa: S311  # no secret
        moved: dict[int, int] = {}
        for last in reversed(range(math.prod(map(len, axes.values())))):
            drawn = draw.randint(0, last)
            place, moved[drawn] = moved.get(drawn, drawn), moved.get(last, last)
            point = {}
            for name, values in axes.items():
                place, index = divmod(place, len(values))
                point[name] = values[index]
            yield point

    def around(self, point: Point, seed: int) -> Iterator[Point]:
        """The other points, nearest first: those that differ by one step, then by two; equally near ones by the seed.

        A step is another value of a parameter; of one with more than MOST_NEIGHBOURS values, the next one. A parameter
        without steps stays as it is.
        """
        draw = random.Random(seed)  # noqa: S311  # no secret
        seen = {tuple(point.values())}
        ring = [point]
        while ring:
            ring = [near for inner in ring for near in self._neighbours(inner) if _is_new(seen, tuple(near.values()))]
            draw.shuffle(ring)
            yield from ring

    def _neighbours(self, point: Point) -> list[Point]:
        return [
            {**point, name: value}
            for name, distribution in self.distributions.items()
            for value in _near(distribution, point[name])
        ]

    def _text(self, name: str, value: Any) -> str:
        if name in self._choices:
            return self._choices[name][int(value)] if isinstance(value, int) else str(value)
        return f"{value:.10g}" if isinstance(value, float) else str(value)

    def _within(self, name: str, text: str) -> Any:
        """The value of a text that may come from another space; None if this one has no such value."""
        distribution, number = self.distributions[name], _number(text)
        if isinstance(distribution, CategoricalDistribution):
            return text if text in distribution.choices else None
        if number is None:
            return None
        if name in self._choices:
            return next((place for place, choice in enumerate(self._choices[name]) if float(choice) == number), None)
        assert isinstance(distribution, (IntDistribution, FloatDistribution))
        if not distribution.low <= number <= distribution.high:
            return None
        steps = (number - distribution.low) / distribution.step if distribution.step else 0.0
        if abs(steps - round(steps)) > ON_A_STEP:
            return None
        return int(number) if isinstance(distribution, IntDistribution) else number

    def _value(self, name: str, text: str) -> Any:
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return text
        if name in self._choices:
            return self._choices[name].index(text)
        return int(text) if isinstance(distribution, IntDistribution) else float(text)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sharing(parameters: Sequence[Parameter]) -> list[list[str]]:
    """The names of parameters that have the same values, of which there are few: of two parameters or more."""
    alike: dict[tuple[str, str], list[str]] = {}
    for parameter in parameters:
        if parameter.parameter_type != "double":
            values = parameter.feasible_space.model_dump_json()
            alike.setdefault((parameter.parameter_type, values), []).append(parameter.name)
    return [names for names in alike.values() if len(names) > 1]


def _sorted_choices(parameter: Parameter) -> list[str]:
    """The choices of a list; numbers in ascending order, which a sampler may learn from."""
    choices = list(parameter.feasible_space.list or ())
    return sorted(choices, key=float) if parameter.parameter_type == "discrete" else choices


def distribution(parameter: Parameter) -> BaseDistribution:
    """The parameter as Optuna has it."""
    space = parameter.feasible_space
    if parameter.parameter_type == "categorical":
        return CategoricalDistribution(_sorted_choices(parameter))
    if parameter.parameter_type == "discrete":
        return IntDistribution(0, len(_sorted_choices(parameter)) - 1)
    assert space.min is not None and space.max is not None
    log = space.distribution == "logUniform"
    if parameter.parameter_type == "int":
        return IntDistribution(int(space.min), int(space.max), log=log, step=int(space.step or 1))
    return FloatDistribution(
        float(space.min), float(space.max), log=log, step=float(space.step) if space.step else None
    )


def _count(distribution: BaseDistribution) -> float:
    is_continuous = isinstance(distribution, FloatDistribution) and distribution.step is None
    return math.inf if is_continuous and not distribution.single() else len(_values(distribution))


def _values(distribution: BaseDistribution) -> Sequence[Any]:
    """Every value of a distribution that has finitely many."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    assert isinstance(distribution, FloatDistribution)
    if distribution.single():
        return [distribution.low]
    assert distribution.step is not None
    steps = math.floor((distribution.high - distribution.low) / distribution.step + 1e-9)
    return [distribution.low + step * distribution.step for step in range(steps + 1)]


def _near(distribution: BaseDistribution, value: Any) -> Sequence[Any]:
    """The values that are a step away from a value; none if there are no steps."""
    if distribution.single() or math.isinf(_count(distribution)):
        return ()
    if isinstance(distribution, CategoricalDistribution) or _count(distribution) <= MOST_NEIGHBOURS:
        return [other for other in _values(distribution) if other != value]
    assert isinstance(distribution, (IntDistribution, FloatDistribution)) and distribution.step is not None
    near = (value - distribution.step, value + distribution.step)
    return [other for other in near if distribution.low <= other <= distribution.high]


def _is_new(seen: set[Any], item: Any) -> bool:
    """Whether the item was not in the set, which it is now."""
    before = len(seen)
    seen.add(item)
    return len(seen) > before
