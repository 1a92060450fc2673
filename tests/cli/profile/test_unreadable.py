"""Files that are no profile: each is rejected in one line, whatever it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from atelier_cli.profile import InvalidProfile, Profile, load
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.profile.sound_profile import SOUND, refused, written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"trainer: [1, 2", "x.yaml:1: is not YAML: expected ',' or ']', but got '<stream end>'"),
        (b"- a\n- b\n", "x.yaml:1: is not a mapping of keys to values"),
        (b"trainer:\n  seed: 1\n  seed: 2\n", "x.yaml:3: seed: is there twice; the first is on line 2"),
        (
            b"trainer:\n  seed: !!python/object:os.system {}\n",
            "x.yaml:2: is not YAML: could not determine a constructor",
        ),
        (b"a: &a\n  b: *a\n", "x.yaml:1: an alias stands inside of what it stands for"),
        (b"trainer:\n  seed: .nan\n", "x.yaml:2: trainer.seed: nan is not a finite number"),
        (b"trainer:\n  seed: !!bool many\n", "x.yaml:2: is not YAML: 'many' is no bool"),
        (b"trainer:\n  1: 2\n", "x.yaml:1: trainer: key 1 is not text; put it into quotes"),
        (b"trainer: \xff\n", "x.yaml: is not text in UTF-8"),
        (b"#" * (1 << 21), "x.yaml: is larger than 1,048,576 bytes"),
        (b"a: 1\n---\nb: 2\n", "x.yaml:2: is not YAML: but found another document"),
        (b"? [a]\n: 1\n", "x.yaml:1: is not YAML: found unhashable key"),
        (b"[" * 5000, "x.yaml: is not YAML"),
    ],
)
def test_what_is_no_profile_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    violations = refused(path)
    assert len(violations) == 1
    assert violations[0].startswith(message)
    assert "\n" not in violations[0]


def test_a_missing_file_and_a_folder_are_said_in_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path / "x.yaml") == ["x.yaml: cannot be read: No such file or directory"]
    assert refused(tmp_path) == ["x.yaml: cannot be read: Is a directory"]


def test_a_small_file_cannot_unfold_into_a_huge_one(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refused(written(tmp_path, "\n".join(lines))) == [
        "x.yaml: holds more than 50,000 values; a profile is a small file"
    ]


def test_an_empty_file_lacks_what_has_no_default(tmp_path: Path) -> None:
    assert refused(written(tmp_path, "")) == [
        "x.yaml: trainer.data.source: is missing; allowed: sklearn, npz, csv, table, images, idx, "
        "or a function of yours as module:function",
        "x.yaml (default of the chart): experiment.parameters: is empty; allowed: at least one parameter; "
        "only the built-in networks for rows have a space by default",
    ]


@pytest.mark.parametrize(
    "block",
    [
        "experiment",
        "trainer",
        "trainer.data",
        "trainer.data.image",
        "experiment.algorithm",
        "server",
        "experiment.parameters",
    ],
)
@pytest.mark.parametrize("value", ["5", "null", "[]", "[1]", "text", "{no: 1}"])
def test_whatever_stands_for_a_block_ends_in_a_profile_or_in_violations(tmp_path: Path, block: str, value: str) -> None:
    try:
        assert isinstance(load(written(tmp_path, SOUND), [f"{block}={value}"]), Profile)
    except InvalidProfile as error:
        assert error.violations


@given(
    st.dictionaries(
        st.sampled_from(["experiment", "trainer", "server", "data", "parameters", "name", "source", "files", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "digits", "sklearn", "lr"]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["data", "parameters", "name", "source", "files", "feasibleSpace", "min", "train"]),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_no_values_at_all_end_in_another_exception(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = written(tmp_path_factory.getbasetemp(), yaml.safe_dump(values), "random.yaml")
    try:
        load(path)
    except InvalidProfile as error:
        assert all(str(path) in violation for violation in error.violations)
