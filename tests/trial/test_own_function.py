"""A function of the user's own as the source of data: what it may return, and how what is wrong with it is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.trial.place import Place

ARRAYS = """
import numpy as np
x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
y = np.where(x[:, 0] > 0, "up", "down")
"""


@pytest.fixture
def module(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a module that can be imported as `mydata`, anew in every test."""
    monkeypatch.syspath_prepend(place.folder)
    sys.modules.pop("mydata", None)
    yield place.folder / "mydata.py"
    sys.modules.pop("mydata", None)


@pytest.mark.parametrize(
    "body",
    [
        "return x, y",
        "return {'x': x, 'y': y}",
        "yield from ((x[at : at + 15], y[at : at + 15]) for at in range(0, 40, 15))",
        "return [(x[:1], y[:1]), (x[1:], y[1:])]",
        "return x, y.astype(object)",
        "return x, y.astype(np.dtypes.StringDType())",
        "return np.ma.masked_array(x, False), y",
    ],
)
def test_arrays_come_as_a_tuple_by_name_or_in_batches(place: Place, module: Path, body: str) -> None:
    module.write_text(f"{ARRAYS}\ndef load():\n    {body}\n")

    description, arrays = place.arrays("mydata:load")

    assert (description.kind, description.shape, description.labels) == ("rows", (3,), ("down", "up"))
    assert description.train_rows + description.test_rows == 40
    assert arrays.train_x.dtype == np.float32


def test_a_test_set_and_names_of_features_are_taken(place: Place, module: Path) -> None:
    body = "return {'x': x, 'y': y, 'x_test': x[:9], 'y_test': y[:9], 'feature_names': ['a', 'b', 'c']}"
    module.write_text(f"{ARRAYS}\ndef load():\n    {body}\n")

    description, arrays = place.arrays("mydata:load")

    assert description.feature_names == ("a", "b", "c")
    assert (len(arrays.train_x), len(arrays.test_x)) == (40, 9)


def test_a_file_that_a_function_calls_test_is_no_test_set(place: Place, module: Path) -> None:
    module.write_text(f"{ARRAYS}\ndef load(files):\n    return x, y\n")
    (place.folder / "any.txt").write_text("any")
    files = {"test": {"path": "any.txt"}}

    one, other = (place.prepare("mydata:load", seed=seed, files=files).digest for seed in (0, 1))

    assert one != other


def test_files_of_the_profile_are_given_by_name_and_their_content_counts(place: Place, module: Path) -> None:
    module.write_text(
        "import numpy as np\ndef load(files):\n    return np.loadtxt(files['numbers']), np.arange(20) % 2\n"
    )
    numbers = place.folder / "numbers.txt"
    digests = []
    for factor in (1, 2):
        np.savetxt(numbers, np.arange(40).reshape(20, 2) * factor)
        digests.append(place.prepare("mydata:load", files={"numbers": {"path": "numbers.txt"}}).digest)

    assert digests[0] != digests[1]


def test_an_edit_of_the_module_prepares_the_data_anew(place: Place, module: Path) -> None:
    digests = []
    for factor in (1, 2):
        module.write_text(f"{ARRAYS}\ndef load():\n    return x * {factor}, y\n")
        sys.modules.pop("mydata", None)
        digests.append(place.prepare("mydata:load").digest)

    assert digests[0] != digests[1]


def test_data_that_are_prepared_are_not_asked_for_again(place: Place, module: Path) -> None:
    module.write_text(
        f"{ARRAYS}\ndef load():\n    open(r'{place.folder / 'calls'}', 'a').write('x')\n    return x, y\n"
    )

    assert place.prepare("mydata:load").digest == place.prepare("mydata:load").digest

    assert (place.folder / "calls").read_text() == "x"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no such table')", "mydata:load raised ValueError: no such table (mydata.py:"),
        ("return None", "it returned nothing; allowed: (x, y)"),
        ("return x", "it returned a ndarray; allowed: (x, y)"),
        ("return x, y, x", "it returned a tuple of 3; allowed:"),
        ("return {'x': x}", "array 'y' is missing"),
        ("return {'x': x, 'y': y, 'z': y}", "unknown: z; allowed: x, y, x_test, y_test, feature_names"),
        ("return np.ma.masked_less(x, 0), y", "x has 55 masked values; allowed: none"),
        ("return [(x, np.ma.masked_equal(y, 'up'))]", "masked values; allowed: none"),
        ("return [{'x': x, 'y': y}]", "batch 0 is a dict; allowed: (x, y)"),
        ("raise SystemExit(0)", "mydata:load raised SystemExit: 0 (mydata.py:"),
        ("return x, [object()] * 40", "y holds Python objects; allowed: numbers, for y also texts"),
        ("return 3, y", "x is a int; allowed: an array of examples"),
        ("return {'x': x, 'y': y, 'feature_names': ['a']}", "1 feature_names for x of shape (40, 3)"),
        ("return iter(())", "it gave no batch"),
        ("return [(x,)]", "batch 0 is of 1 part"),
        ("return x[:30], y", "30 examples but 40 labels"),
    ],
)
def test_what_is_wrong_is_said_with_the_function_and_what_is_allowed(
    place: Place, module: Path, body: str, said: str
) -> None:
    module.write_text(f"{ARRAYS}\ndef load():\n    {body}\n")

    assert said in "\n".join(place.refused("mydata:load"))


def test_a_function_that_is_not_there_is_named(place: Place, module: Path) -> None:
    module.write_text("import nothing_such\n")
    assert "trainer.data.source: 'mydata:load' cannot be imported: No module named" in place.refused("mydata:load")[0]
    assert "trainer.data.source: module 'absent' not found" in place.refused("absent:load")[0]
    module.write_text("raise SystemExit(2)\n")
    assert "'mydata:load' cannot be imported: SystemExit: 2 (mydata.py:1" in place.refused("mydata:load")[0]
    module.write_text("x = 1\n")
    assert "has no attribute 'load'" in place.refused("mydata:load")[0]
    assert "is not a function" in place.refused("mydata:x")[0]


def test_files_that_a_function_does_not_take_are_refused(place: Place, module: Path) -> None:
    module.write_text(f"{ARRAYS}\ndef load():\n    return x, y\n")
    (place.folder / "a.txt").touch()

    assert "mydata:load has no parameter files" in place.refused("mydata:load", files={"a": {"path": "a.txt"}})[0]
