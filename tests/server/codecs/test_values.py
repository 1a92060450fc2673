from typing import Any

import numpy as np
from atelier_server.codecs import values
from atelier_server.models.runtime import DATATYPES
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([2**n + d for n in (7, 8, 15, 16, 31, 32, 63, 64, 200) for d in (-1, 0, 1)]),
    st.floats(),
    st.floats(width=16),
    st.integers(-300, 300).map(float),
)
LEAVES = st.one_of(NUMBERS, st.booleans(), st.none(), st.text(max_size=3))
LISTS = st.one_of(
    st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=2, max_size=2),
    st.lists(st.lists(LEAVES, min_size=2, max_size=2), min_size=2, max_size=2),
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=6).filter(lambda v: isinstance(v, list)),
)


@given(LISTS, st.sampled_from(list(DATATYPES)))
def test_a_value_is_taken_exactly_if_nothing_is_wrong_with_it(value: list[Any], datatype: str) -> None:
    array = values.convert(value, 2, datatype)
    taken = array is not None and array.shape == (2, 2)
    assert taken == (not list(values.walk(value, (2, 2), datatype, "#")))
    if taken:
        assert array is not None and array.dtype == DATATYPES[datatype]
        if array.dtype.kind != "f":
            assert array.tolist() == value


def test_a_mixture_of_whole_numbers_and_floats_keeps_whole_numbers_exact() -> None:
    array = values.convert([2**53 + 1, 1.0], 1, "INT64")
    assert array is not None and array.tolist() == [2**53 + 1, 1]


def test_floats_come_out_in_the_networks_precision() -> None:
    array = values.convert([0.1], 1, "FP32")
    assert array is not None and array[0] == np.float32(0.1)
