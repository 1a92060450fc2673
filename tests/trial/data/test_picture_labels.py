"""Labels of pictures may be in a table of their paths, wherever the pictures lie."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
from atelier_trial.data import Prepared, load

from tests.support.encoding import encoded
from tests.trial.place import Place

SHADES = {f"2024/März 1/{number}.png" if number % 2 else f"{number}.png": 20 * number for number in range(12)}
TABLE = "path,camera,label\n" + "".join(
    f"./{name},x,{'light' if shade >= 120 else 'dark'}\n" for name, shade in SHADES.items()
)
FILES = {"train": {"path": "photos"}, "trainLabels": {"path": "labels.csv"}}


def write(place: Place, table: str = TABLE) -> dict[str, Any]:
    for name, shade in SHADES.items():
        path = place.folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(np.full((4, 4), shade, np.uint8)))
    (place.folder / "labels.csv").write_text(table)
    return {"files": FILES}


def right(place: Place, description: Prepared) -> bool:
    """Whether every picture has the label of its shade."""
    arrays = load(place.store, description)
    x, y = np.concatenate([arrays.train_x, arrays.test_x]), np.concatenate([arrays.train_y, arrays.test_y])
    return description.labels == ("dark", "light") and ((x[:, 0, 0] >= 120) == y).all() and len(x) == len(SHADES)


def test_pictures_have_the_labels_of_a_table_wherever_they_lie(place: Place) -> None:
    files = write(place)
    (place.folder / "photos/other.png").write_bytes(encoded(np.zeros((4, 4), np.uint8)))
    description = place.prepare("images", **files)
    assert right(place, description)
    assert description.notes == ("photos: left out: other.png (not in the table of labels)",)


def test_a_table_may_have_other_separators_and_belong_to_an_archive(place: Place) -> None:
    write(place, TABLE.replace("/", "\\").replace(",", ";"))
    with zipfile.ZipFile(place.folder / "photos.zip", "w") as archive:
        for name in SHADES:
            archive.write(place.folder / "photos" / name, name)
    assert right(place, place.prepare("images", files=FILES | {"train": {"path": "photos.zip"}}))


def test_each_part_may_have_a_table_of_its_own(place: Place) -> None:
    write(place)
    for label in ("dark", "light"):
        path = place.folder / "held out" / label / "1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(np.zeros((4, 4), np.uint8)))
    description = place.prepare("images", files=FILES | {"test": {"path": "held out"}})
    assert (description.train_rows, description.test_rows) == (12, 2)
    (place.folder / "test.csv").write_text("label,path\nlight,dark/1.png\ndark,light/1.png\n")
    with_table = FILES | {"test": {"path": "held out"}, "testLabels": {"path": "test.csv"}}
    arrays = load(place.store, place.prepare("images", files=with_table))
    assert sorted(arrays.test_y.tolist()) == [0, 1]


def test_what_is_wrong_with_a_table_is_said_with_its_line(place: Place) -> None:
    last = list(SHADES)[-1]
    files = write(place, f"{TABLE}{last},x,dark\n,x,dark\n3.png,x,\n")
    assert place.refused("images", **files) == [
        f"{place.folder}/labels.csv, line 14: {last} is 'dark', and 'light' in a row before",
        f"{place.folder}/labels.csv, line 15: has no path; allowed: both",
        f"{place.folder}/labels.csv, line 16: has no label; allowed: both",
    ]
    files = write(place, f"{TABLE}gone.png,x,dark\n")
    (violation,) = place.refused("images", **files)
    assert violation == f"{place.folder}/photos: pictures of the table of labels are not there: gone.png"
    files = write(place, TABLE.replace("path", "file"))
    (violation,) = place.refused("images", **files)
    assert violation == f"{place.folder}/labels.csv: has no column 'path'; it has: file, camera, label"
