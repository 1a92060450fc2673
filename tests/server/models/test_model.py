"""How a version is loaded: from one read of its manifest, and in one session."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_server.models import runtime
from atelier_server.models.errors import BadBundle
from atelier_server.models.model import load
from atelier_store.layout import Store

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


def test_a_table_whose_reference_lacks_a_column_or_has_another_answer_is_refused(store: Store) -> None:
    version = publish(store, replace(TABLE, reference=TABLE_OF_NOUGHTS))
    with pytest.raises(BadBundle, match=r"reference.npz: recomputed outputs differ by up to"):
        load(store.model("digits"), version)
    rows = {name: array for name, array in TABLE.given.items() if name != "fare"} | {"fare": TABLE.given["sex"]}
    version = publish(store, replace(TABLE, rows=rows, reference=TABLE_OF_NOUGHTS))
    with pytest.raises(BadBundle, match=r"reference.npz: cannot be run through the network"):
        load(store.model("digits"), version)
