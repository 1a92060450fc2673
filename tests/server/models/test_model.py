"""How a version is loaded: from one read of its manifest, and in one session."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_server.models import runtime
from atelier_server.models.errors import BadBundle
from atelier_server.models.model import load
from atelier_server.models.verification import differences
from atelier_store.layout import Store
from atelier_store.records import Manifest, Member

from tests.support.onnx_bundles import image_bundle, publish
from tests.support.table_bundles import PASSENGER, table_bundle


def test_the_manifest_whose_digest_was_checked_is_the_one_that_is_used(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(store, image_bundle())
    path = store.model("digits").versions / version / "manifest.json"
    real = Path.read_bytes

    def replaced_after_the_read(file: Path) -> bytes:
        content = real(file)
        if file == path:
            path.write_bytes(content.replace(b'"three"', b'"other"').replace(b'"two"', b'"other"'))
        return content

    labels = load(store.model("digits"), version).manifest.labels
    monkeypatch.setattr(Path, "read_bytes", replaced_after_the_read)
    assert load(store.model("digits"), version).manifest.labels == labels
    assert b'"other"' in real(path)


def test_a_network_is_opened_once_for_verification_and_service(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    version = publish(store, image_bundle())
    opened: list[int | None] = []
    real = runtime.open_session

    def counted(path: Path, threads: int | None = None) -> object:
        opened.append(threads)
        return real(path, threads)

    monkeypatch.setattr(runtime, "open_session", counted)
    load(store.model("digits"), version, threads=2)
    assert opened == [2]


@pytest.mark.parametrize(("given", "words"), [("0" * 64, "current.json names"), (None, "names this version")])
def test_a_manifest_with_another_digest_is_refused(store: Store, given: str | None, words: str) -> None:
    paths = store.model("digits")
    version = publish(store, image_bundle())
    path = paths.versions / version / "manifest.json"
    if given is None:
        path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BadBundle, match=words) as refused:
        load(paths, version, given)
    assert str(path) in str(refused.value) and len(refused.value.problems) == 1


TABLE = table_bundle()
TABLE_OF_NOUGHTS = np.zeros((64, 3), np.float32)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"columns": PASSENGER[::-1]}, "the columns have the inputs boarded FP64"),
        ({"columns": None, "column_statistics": None}, "inputs: sex, port of call, alone: only a table's columns are"),
        ({"feature_names": ("a",)}, "feature_names: are not the names of the columns"),
        ({"column_statistics": TABLE.fields["column_statistics"][:5]}, "column_statistics: are not those of"),
        ({"column_statistics": TABLE.fields["column_statistics"][::-1]}, "column_statistics: are not those of"),
    ],
)
def test_a_table_whose_columns_are_not_those_of_its_network_is_refused(
    store: Store, changes: dict[str, Any], words: str
) -> None:
    version = publish(store, replace(TABLE, fields=TABLE.fields | changes))
    with pytest.raises(BadBundle, match=words):
        load(store.model("digits"), version)


def in_int8(store: Store) -> Manifest:
    bundle = image_bundle(0)
    of = Member(key="0" * 16, epochs=1, onnx_sha256="0" * 64)
    config = bundle.fields["config"].model_copy(update={"int8_of": of})
    bundle.fields |= {"config": config}
    return bundle.write(store.root / "int8")


@pytest.mark.parametrize(
    ("outputs", "of_float", "of_int8"),
    [
        ([[0.6995, 0.2005, 0.1]], ["recomputed outputs differ by up to 0.0005"], []),
        ([[0.5, 0.4, 0.1]], ["recomputed outputs differ by up to 0.2"], ["recomputed outputs differ by up to 0.2"]),
    ],
)
def test_int8_may_be_off_by_a_step_and_no_more(
    store: Store, outputs: list[list[float]], of_float: list[str], of_int8: list[str]
) -> None:
    manifest, expected = in_int8(store), np.array([[0.7, 0.2, 0.1]], np.float32)
    as_float = manifest.model_copy(update={"config": manifest.config.model_copy(update={"int8_of": None})})
    assert differences(np.array(outputs, np.float32), expected, as_float) == of_float
    assert differences(np.array(outputs, np.float32), expected, manifest) == of_int8


def test_int8_may_choose_another_class_only_where_two_are_nearly_equal(store: Store) -> None:
    manifest = in_int8(store)
    expected = np.array([[0.5, 0.495, 0.005], [0.6, 0.3, 0.1]], np.float32)
    near, far = expected[:, [1, 0, 2]][:1], expected[:, [1, 0, 2]][1:]
    assert differences(near * 0.5 + expected[:1] * 0.5 + [[0, 1e-5, 0]], expected[:1], manifest) == []
    assert "another class is chosen on 1 of 1 row" in differences(far, expected[1:], manifest)


def test_a_table_whose_reference_lacks_a_column_or_has_another_answer_is_refused(store: Store) -> None:
    version = publish(store, replace(TABLE, reference=TABLE_OF_NOUGHTS))
    with pytest.raises(BadBundle, match=r"reference.npz: recomputed outputs differ by up to"):
        load(store.model("digits"), version)
    rows = {name: array for name, array in TABLE.given.items() if name != "fare"} | {"fare": TABLE.given["sex"]}
    version = publish(store, replace(TABLE, rows=rows, reference=TABLE_OF_NOUGHTS))
    with pytest.raises(BadBundle, match=r"reference.npz: cannot be run through the network"):
        load(store.model("digits"), version)
