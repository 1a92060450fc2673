"""Layers of values: the later one wins, leaf by leaf."""

from __future__ import annotations

import json
from typing import Any

from atelier_cli.profile.findings import at
from atelier_cli.profile.merging import lookup, merge, overlay, with_value
from hypothesis import given
from hypothesis import strategies as st

SCALARS = st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
LEAVES = st.dictionaries(st.sampled_from("abc"), SCALARS, max_size=3)
# capital keys hold maps, small ones leaves: merging such maps is associative, as it is for values of one schema
MAPS = st.recursive(
    LEAVES,
    lambda inner: st.builds(lambda x, y: x | y, LEAVES, st.dictionaries(st.sampled_from("ABC"), inner, max_size=3)),
    max_leaves=9,
)


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in values.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


@given(MAPS, MAPS)
def test_the_later_value_wins_leaf_by_leaf(defaults: dict[str, Any], over: dict[str, Any]) -> None:
    assert leaves(merge(defaults, over)) == leaves(defaults) | leaves(over)


@given(MAPS, MAPS, MAPS)
def test_layers_may_be_laid_in_any_grouping(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(MAPS, st.data())
def test_null_takes_a_default_away_and_nothing_else(defaults: dict[str, Any], data: st.DataObject) -> None:
    paths = sorted(leaves(defaults))
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    merged = merge(defaults, with_value({}, path, None))
    assert leaves(merged) == {other: value for other, value in leaves(defaults).items() if other != path}


@given(MAPS, MAPS)
def test_merging_leaves_both_sides_alone(defaults: dict[str, Any], over: dict[str, Any]) -> None:
    before = json.dumps([defaults, over])
    merged = merge(defaults, over)
    for path in leaves(merged):
        lookup(merged, path[:-1])[path[-1]] = "changed"
    assert json.dumps([defaults, over]) == before


def test_lists_replace_and_maps_replace_what_is_no_map() -> None:
    assert merge({"a": [1, 2], "b": 1, "c": {"x": 1}}, {"a": [3], "b": {"y": 2}, "c": 4}) == {
        "a": [3],
        "b": {"y": 2},
        "c": 4,
    }
    assert merge({}, {"a": None}) == {"a": None}


def test_null_of_a_later_file_stays_null_until_it_meets_the_default() -> None:
    user = overlay({"labels": {"grafana_dashboard": "yes"}, "a": {"x": 1}}, {"labels": None, "a": {"y": 2, "x": None}})
    assert user == {"labels": None, "a": {"x": None, "y": 2}}
    assert merge({"labels": {"grafana_dashboard": "1"}, "a": {"x": 0, "z": 3}}, user) == {"a": {"y": 2, "z": 3}}


@given(MAPS, MAPS, MAPS)
def test_files_may_be_laid_over_each_other_before_the_defaults(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    assert merge(merge(a, b), c) == merge(a, overlay(b, c))


def test_at_is_the_inverse_of_a_dotted_name() -> None:
    assert lookup({"a": {"b": 1}}, at("a.b")) == 1
