"""A large table is read by parts or column by column, and gives the arrays, notes and refusals of one read whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from atelier_store import arrays
from atelier_store.spec import TableFormat
from atelier_trial.data import raw
from atelier_trial.data.tables import dialect, large, reading, source

from tests.trial.place import Place

ROWS = 300


def frame(seed: int, rows: int = ROWS) -> pl.DataFrame:
    """Numbers with gaps and of every size, words of which some are rare, dates, a group, a weight and two classes."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, 3)) * [1, 1e6, 1e-3]
    gaps = random.random(rows) < 0.1
    words = random.choice(
        ["red", "green", "blue", "Gr\u00fcn", "rare" + str(seed)], rows, p=[0.4, 0.3, 0.2, 0.09, 0.01]
    )
    days = np.datetime64("2024-01-01") + random.integers(0, 900, rows)
    return pl.DataFrame(
        {
            "a": pl.Series([None if gap else value for gap, value in zip(gaps, numbers[:, 0].tolist(), strict=True)]),
            "b": numbers[:, 1],
            "colour": pl.Series([None if gap else word for gap, word in zip(gaps[::-1], words.tolist(), strict=True)]),
            "day": pl.Series(days).cast(pl.Date),
            "c": numbers[:, 2],
            "count": random.integers(0, 50, rows),
            "shop": random.integers(0, 30, rows),
            "w": random.integers(1, 4, rows).astype(float),
            "y": np.where(numbers[:, 0] + random.normal(size=rows) > 0, "yes", "no"),
        }
    )


def write(of: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        of.write_parquet(path, row_group_size=70)
    elif path.suffix == ".arrow":
        of.write_ipc(path)
    else:
        of.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


def by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table is large, of many parts."""
    monkeypatch.setattr(large, "LARGE", 10)
    monkeypatch.setattr(large, "PIECE", 1500)
    monkeypatch.setattr(dialect, "SAMPLE", 3000)
    monkeypatch.setattr(source, "HELD", 0)
    monkeypatch.setattr(raw, "PART", 900)
    monkeypatch.setattr(arrays, "PART", 900)


def prepared(place: Place, monkeypatch: pytest.MonkeyPatch, **data: Any) -> None:
    """The same, to the byte, whole and by parts."""
    whole = place.prepare("table", **data)
    place.store.data_sources.rename(place.folder / "gone")
    place.store.data(whole.digest).folder.rename(place.folder / "whole")
    by_parts(monkeypatch)
    assert place.prepare("table", **data) == whole
    for path in (place.folder / "whole").iterdir():
        assert path.read_bytes() == (place.store.data(whole.digest).folder / path.name).read_bytes()


def is_by_parts(place: Place, name: str, declared: TableFormat | None = None) -> bool:
    """Whether a table is not read whole."""
    found = reading.read(place.folder / name, declared or TableFormat(), "y", False, place.folder / "parts")
    return isinstance(found.columns, large.Columns)


USES: dict[str, dict[str, Any]] = {
    "classes": {"target": "y", "weight": "w"},
    "groups": {"target": "y", "split": {"by": "group", "column": "shop"}},
    "time": {"target": "y", "split": {"by": "time", "column": "day"}},
    "targets": {"target": ["b", "c"], "task": "regression", "columns": {"shop": "category", "count": "drop"}},
    "limited": {"target": "y", "limit": 100},
}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "arrow"])
@pytest.mark.parametrize("use", USES)
def test_a_large_table_gives_the_bytes_of_one_that_is_read_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch, ending: str, use: str
) -> None:
    write(frame(0), place.folder / f"t.{ending}")

    prepared(place, monkeypatch, files={"train": {"path": f"t.{ending}"}}, **USES[use])

    assert is_by_parts(place, f"t.{ending}")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_files_beside_the_training_file_and_patterns_of_several_are_the_same_too(
    place: Place, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    write(frame(0), place.folder / f"part-1.{ending}")
    write(frame(1).with_columns(count=pl.col("count").cast(pl.Float64) + 0.5), place.folder / f"part-2.{ending}")
    write(frame(2, 60), place.folder / f"v.{ending}")
    write(frame(3, 40), place.folder / f"t.{ending}")
    paths = {"train": f"part-*.{ending}", "validation": f"v.{ending}", "test": f"t.{ending}"}

    prepared(place, monkeypatch, files={role: {"path": path} for role, path in paths.items()}, target="y")


LINES = [f"{number},{number % 7}.5,{'yes' if number % 3 else 'no'}" for number in range(400)]
WHOLE = "n,x,y\n" + "\n".join(LINES) + "\n"
BY_PARTS = {
    "lines of Windows": WHOLE.replace("\n", "\r\n"),
    "a mark": "\ufeff" + WHOLE,
    "blank lines": WHOLE.replace("y\n0,", "y\n\n \n0,").replace("\n105,", "\n\n\n105,"),
    "words of other alphabets": WHOLE.replace("yes", "\u0434\u0430"),
    "no line feed at its end": WHOLE[:-1],
    "gaps": WHOLE.replace(",3.5,", ",NA,").replace(",2.5,", ", ,"),
    "quotes": WHOLE.replace("yes", '"ye\ns,""indeed"" "'),
    "quotes around everything": '"' + WHOLE.replace(",", '","').replace("\n", '"\r\n"')[:-1],
    "records of many lines": WHOLE.replace(",0.5,no", ',0.5,"no' + "\n1,1,1" * 90 + '"'),
}
AT_ONCE: dict[str, tuple[str, dict[str, Any]]] = {
    "quotes after spaces": (WHOLE.replace("yes", ' "yes"'), {}),
    "a quote within a cell": (WHOLE.replace("yes", '5" pipe'), {}),
    "records of more than a piece": (WHOLE.replace(",0.5,no", ',0.5,"no' + "\n1,1,1" * 400 + '"'), {}),
    "comments": (WHOLE.replace("350,", "#,\n350,"), {"comment": "#"}),
    "a comment on top": ("# made up\n" + WHOLE, {}),
    "another encoding": (WHOLE.replace("yes", "j\u00e4"), {"encoding": "cp1252"}),
}


@pytest.mark.parametrize("text", BY_PARTS.values(), ids=BY_PARTS)
def test_a_plain_text_is_read_by_parts(place: Place, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    data = place.table(text.encode(), columns={"n": "number"})

    prepared(place, monkeypatch, **data)

    assert is_by_parts(place, "t.csv")


@pytest.mark.parametrize(("text", "declared"), AT_ONCE.values(), ids=AT_ONCE)
def test_another_text_is_read_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch, text: str, declared: dict[str, Any]
) -> None:
    content = text.encode(declared.get("encoding", "utf-8"))

    prepared(place, monkeypatch, **place.table(content, columns={"n": "number"}, table=declared or None))

    assert not is_by_parts(place, "t.csv", TableFormat(**declared))


REFUSED = {
    "short rows": WHOLE.replace("300,", "\n300\n301,"),
    "a file that is cut off": WHOLE[:-6],
    "a number beyond": WHOLE.replace(",3.5,", ",1e400,"),
    "a word among numbers": WHOLE.replace("105,0.5", "105,odd"),
    "a target with gaps": WHOLE.replace("105,0.5,no", "105,0.5,"),
    "numbers that float32 cannot tell apart": "n,x,y\n"
    + "".join(f"{10**12 + number},{line.partition(',')[2]}\n" for number, line in enumerate(LINES)),
    "columns of one name": WHOLE.replace("n,x", "x,x"),
    "a quote that is not closed": WHOLE.replace("105,0.5,no", '105,0.5,"no'),
    "no target": WHOLE.replace(",y", ",z"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_said_as_of_a_small_table(place: Place, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    data = place.table(text.encode(), columns={"n": "number"})
    whole = place.refused("table", **data)
    by_parts(monkeypatch)

    assert place.refused("table", **data) == whole


def test_a_torn_parquet_file_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write(frame(0), path := place.folder / "t.parquet")
    path.write_bytes(path.read_bytes()[:-50])
    by_parts(monkeypatch)

    (violation,) = place.refused("table", files={"train": {"path": "t.parquet"}}, target="y")

    assert violation.startswith("t.parquet: not a whole Parquet file: ")


@pytest.mark.parametrize("is_large", [False, True])
def test_files_of_one_name_in_several_folders_are_all_read(
    place: Place, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    for seed in range(2):
        (place.folder / f"shop={seed}").mkdir()
        write(frame(seed), place.folder / f"shop={seed}/rows.csv")
    if is_large:
        by_parts(monkeypatch)

    description = place.prepare("table", files={"train": {"path": "shop=*/rows.csv"}}, target="y")

    assert description.train_rows + description.test_rows == 2 * ROWS
