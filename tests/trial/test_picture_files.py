"""Every picture of a folder or archive is used, or named; a torn or damaged archive is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.trial.place import Place

RANDOM = np.random.default_rng(0)


def encoded(form: str = "PNG", size: tuple[int, int] = (8, 8), mode: str = "L") -> bytes:
    pixels = RANDOM.integers(0, 256, (*size, {"L": 1, "RGB": 3}[mode]), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(file, form)
    return file.getvalue()


def entries(form: str = "BMP", count: int = 6, classes: Sequence[str] = ("cat", "dog")) -> dict[str, bytes]:
    return {f"{label}/{number}.{form.lower()}": encoded(form) for number in range(count) for label in classes}


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def tar(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, of in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(of)
            archive.addfile(member, io.BytesIO(of))
    return content.getvalue()


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, of in files.items():
            archive.writestr(name, of)
    return content.getvalue()


def archive(place: Place, name: str, content: bytes) -> dict[str, Any]:
    (place.folder / name).write_bytes(content)
    return {"files": {"train": {"path": name}}}


PICS: dict[str, Any] = {"files": {"train": {"path": "pics"}}}


def test_a_class_may_be_a_link_to_a_folder_and_a_file_have_any_ending(place: Place) -> None:
    write(place.folder / "pics", entries("PNG", classes=("cat",)))
    write(
        place.folder / "pics", {f"dog/{n}{end}": encoded("JPEG") for n, end in enumerate((".jfif", ".JPG", ".jpe", ""))}
    )
    write(place.folder / "elsewhere", {f"{n}.png": encoded() for n in range(4)})
    (place.folder / "pics/lynx").symlink_to(place.folder / "elsewhere")
    description = place.prepare("images", **PICS)
    assert description.labels == ("cat", "dog", "lynx")
    assert description.train_rows + description.test_rows == 14
    assert description.notes == ()


def test_what_is_not_used_is_named_even_if_the_data_are_prepared_already(place: Place) -> None:
    write(place.folder / "pics", entries("PNG"))
    write(place.folder / "pics", {"top.png": encoded(), "cat/notes.txt": b"x", "dog/.hidden.png": encoded()})
    write(place.folder / "pics", {"cat/Thumbs.db": b"x", "cat/.DS_Store": b"x", "__MACOSX/cat/._0.png": b"x"})
    (place.folder / "pics/wolf").mkdir()
    (place.folder / "pics/cat/gone.png").symlink_to("nowhere")
    first = place.prepare("images", **PICS)
    assert place.prepare("images", **PICS).notes == first.notes
    assert set(first.notes) == {
        "pics: left out: top.png (not in the folder of a class)",
        "pics: left out: cat/notes.txt (no pictures in a known format)",
        "pics: left out: dog/.hidden.png (hidden)",
        "pics: left out: cat/gone.png (links to nothing, or neither files nor folders)",
        "pics: left out: wolf (classes without a picture)",
    }


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a.png", "b.png"), "no pictures in sub-folders by class; allowed: a sub-folder of pictures (.png "),
        (
            ("all/a.png", "all/b.png"),
            "every picture is in the folder 'all', so of one class; at least two are needed; ",
        ),
        (("x/cat/a.png", "y/dog/b.png"), "classes lie below several folders: x, y; allowed: one folder with a sub-"),
    ],
)
def test_where_folders_name_no_classes_the_table_of_labels_is_named(
    place: Place, names: tuple[str, ...], found: str
) -> None:
    write(place.folder / "photos", {name: encoded() for name in names})
    (violation,) = place.refused("images", files={"train": {"path": "photos"}})
    assert violation.startswith(f"{place.folder}/photos: {found}")
    assert violation.endswith(", or pictures anywhere and a table of their labels, trainer.data.files.trainLabels")


def test_a_test_folder_without_classes_has_a_table_of_its_own(place: Place) -> None:
    write(place.folder / "train", entries())
    write(place.folder / "test", {"a.bmp": encoded("BMP")})
    (violation,) = place.refused("images", files={role: {"path": role} for role in ("train", "test")})
    assert violation.startswith(f"{place.folder}/test: no pictures in sub-folders by class; ")
    assert violation.endswith(", trainer.data.files.testLabels")


def test_a_broken_picture_is_refused_whatever_its_ending(place: Place) -> None:
    wrong = {"cat/torn.jfif": encoded("JPEG")[:-200], "dog/no.PNG": b"x", "dog/of a phone.HEIC": b"ftypheic"}
    write(place.folder / "pics", entries("PNG") | wrong)
    violations = place.refused("images", **PICS)
    assert [violation.split(": ")[1] for violation in violations] == [*wrong]


def test_a_link_to_a_folder_that_it_lies_in_is_refused(place: Place) -> None:
    write(place.folder / "pics", entries("PNG"))
    (place.folder / "pics/cat/loop").symlink_to(place.folder / "pics")
    (violation,) = place.refused("images", **PICS)
    assert violation.endswith("pics/cat/loop: is a link to a folder that it lies in")


PACK: dict[str, Callable[[bytes], bytes]] = {
    "a.tar": bytes,
    "a.tar.gz": gzip.compress,
    "a.tar.bz2": bz2.compress,
    "a.tar.xz": lzma.compress,
}


@pytest.mark.parametrize("name", PACK)
def test_a_whole_tar_is_read_and_a_torn_one_refused_wherever_it_is_cut(place: Place, name: str) -> None:
    content = tar(entries())
    description = place.prepare("images", **archive(place, name, PACK[name](content)))
    assert description.train_rows + description.test_rows == 12
    assert description.notes == ()
    entry = len(content) // 13 // 512 * 512
    for cut in (512, entry * 3, 512 * 5, entry * 10, 512 * 7 + 100):
        (violation,) = place.refused("images", **archive(place, name, PACK[name](content[:cut])))
        assert f"{name}: not a whole zip or tar archive: " in violation


@pytest.mark.parametrize("name", list(PACK)[1:])
def test_a_compressed_tar_of_which_a_bit_has_flipped_is_refused(place: Place, name: str) -> None:
    flipped = bytearray(PACK[name](tar(entries())))
    flipped[len(flipped) // 2] ^= 1
    assert name in place.refused("images", **archive(place, name, bytes(flipped)))[0]
    content = PACK[name](tar(entries()))
    assert name in place.refused("images", **archive(place, name, content[:-3]))[0]


def test_a_tar_with_a_damaged_header_or_more_after_its_end_is_refused(place: Place) -> None:
    content = bytearray(tar(entries()))
    content[content.index(b"dog/3.bmp")] ^= 1
    (violation,) = place.refused("images", **archive(place, "a.tar", bytes(content)))
    assert "torn or damaged: 7 entries" in violation
    (violation,) = place.refused("images", **archive(place, "a.tar", tar(entries()) * 2))
    assert "more after the end of the archive" in violation


def test_links_in_a_tar_are_followed_or_named(place: Place) -> None:
    content = io.BytesIO(tar(entries()))
    with tarfile.open(fileobj=content, mode="a") as add:
        for name, kind, target in (
            ("cat/hard.bmp", tarfile.LNKTYPE, "cat/0.bmp"),
            ("dog/soft.bmp", tarfile.SYMTYPE, "0.bmp"),
            ("dog/gone.bmp", tarfile.SYMTYPE, "nowhere.bmp"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            add.addfile(member)
    description = place.prepare("images", **archive(place, "a.tar", content.getvalue()))
    assert description.train_rows + description.test_rows == 14
    assert description.notes == ("a.tar: left out: dog/gone.bmp (links to nothing, or neither files nor folders)",)


def test_a_zip_made_on_windows_or_a_mac_is_read(place: Place) -> None:
    files = {name.replace("/", "\\"): of for name, of in entries("PNG").items()}
    files |= {"cat\\Thumbs.db": b"x", "__MACOSX/cat/._0.png": b"x", "cat\\": b""}
    description = place.prepare("images", **archive(place, "a.zip", zipped(files)))
    assert (description.labels, description.notes) == (("cat", "dog"), ())
    assert description.train_rows + description.test_rows == 12


def test_names_in_a_zip_are_utf8_whether_it_says_so_or_not(place: Place) -> None:
    files = entries("PNG", classes=("cafe\u0301", "\u043a\u043e\u0442"))
    says = zipped(files)
    silent = bytearray(says)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := silent.find(mark, start)) >= 0:
            silent[start + at + 1] &= 0xFF ^ 0x08
            start += 4
    for content in (says, bytes(silent)):
        assert place.prepare("images", **archive(place, "a.zip", content)).labels == ("caf\u00e9", "\u043a\u043e\u0442")


def test_a_damaged_or_encrypted_zip_is_refused_in_one_line(place: Place) -> None:
    whole = zipped(entries(), zipfile.ZIP_STORED)
    flipped = bytearray(whole)
    flipped[whole.index(b"BM") + 100] ^= 1
    locked = bytearray(whole)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[whole.index(mark) + at] |= 1
    for content, reason in (
        (flipped, "Bad CRC-32"),
        (locked, "encrypted"),
        (whole[:-40], "not a zip file"),
        (whole + whole, f"{len(whole):,} bytes stand before its first entry; allowed: one archive"),
    ):
        (violation,) = place.refused("images", **archive(place, "a.zip", bytes(content)))
        assert "a.zip: not a whole zip or tar archive: " in violation
        assert reason in violation


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Rar!\x1a\x07", "it begins as rar"),
        (b"7z\xbc\xaf\x27\x1c", "it begins as 7z"),
        (b"", "a.zip"),
        (b"x", "a.zip"),
    ],
)
def test_another_archive_is_named(place: Place, content: bytes, reason: str) -> None:
    (violation,) = place.refused("images", **archive(place, "a.zip", content))
    assert reason in violation


def test_an_entry_that_comes_twice_is_used_as_it_came_last(place: Place) -> None:
    files = entries()
    content = io.BytesIO(tar(files))
    with tarfile.open(fileobj=content, mode="a") as add:
        member = tarfile.TarInfo("cat/0.bmp")
        member.size = len(files["dog/0.bmp"])
        add.addfile(member, io.BytesIO(files["dog/0.bmp"]))
    description = place.prepare("images", **archive(place, "a.tar", content.getvalue()))
    assert description.train_rows + description.test_rows == 12
    assert description.notes == ("a.tar: left out: cat/0.bmp (replaced by a later entry of the same name)",)


def test_pictures_of_several_sizes_and_colours_get_one_size_and_three_channels_and_it_is_said(place: Place) -> None:
    sizes = {f"cat/{n}.png": encoded(size=(20, 40 + n)) for n in range(8)}
    write(place.folder / "pics", sizes | {f"dog/{n}.png": encoded(size=(20, 43), mode="RGB") for n in range(8)})
    description, arrays = place.arrays("images", **PICS)
    assert description.shape == arrays.train_x.shape[1:] == (16, 40, 3)  # 20 and 43, to the nearest multiple of 8
    assert description.notes == (
        "pics: 16 of 16 pictures of height x width 20 x 40 to 20 x 47: stretched to 16 x 40, "
        "which trainer.data.image.size: auto chose by their medians",
        "pics: 8 of 16 pictures in grey: read as colour",
    )


def test_a_size_that_is_chosen_is_at_most_64_and_has_the_aspect_of_most_pictures(place: Place) -> None:
    write(place.folder / "pics", {f"{c}/{n}.jpg": encoded("JPEG", (480, 640 + n)) for c in "ab" for n in range(3)})
    assert place.prepare("images", **PICS).shape == (48, 64)


def test_pictures_of_one_large_size_keep_it_in_silence(place: Place) -> None:
    write(place.folder / "pics", {f"{c}/{n}.jpg": encoded("JPEG", (90, 100)) for c in "ab" for n in range(3)})
    description = place.prepare("images", **PICS, image={"fit": "stretch"})
    assert (description.shape, description.notes) == ((90, 100), ())
    assert description.digest == place.prepare("images", **PICS).digest


def test_a_test_set_gets_the_size_and_channels_of_the_training_pictures(place: Place) -> None:
    write(place.folder / "pics", {f"{c}/{n}.png": encoded() for c in "ab" for n in range(4)})
    write(place.folder / "more", {f"{c}/{n}.png": encoded(size=(30, 20), mode="RGB") for c in "ab" for n in range(2)})
    description, arrays = place.arrays("images", files={"train": {"path": "pics"}, "test": {"path": "more"}})
    assert description.shape == arrays.test_x.shape[1:] == (8, 8)
    assert description.notes == (
        "more: 4 of 4 pictures of height x width 30 x 20: stretched to 8 x 8",
        "more: 4 of 4 pictures in colour: made grey",
    )


def half_white() -> np.ndarray:
    """8 high, 16 wide: black, then white, then black."""
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, 4:12] = 255
    return pixels


FITS = {
    "crop": np.full((8, 8), 255),
    "pad": np.vstack([np.full((4, 16), 255), half_white(), np.full((4, 16), 255)])[::2, ::2],
    "stretch": half_white()[:, ::2],
}


@pytest.mark.parametrize("fit", FITS)
def test_a_picture_gets_a_declared_size_by_its_middle_or_whole_or_stretched(place: Place, fit: str) -> None:
    file = io.BytesIO()
    Image.fromarray(half_white()).save(file, "PNG")
    write(place.folder / "pics", {f"{label}/{n}.png": file.getvalue() for label in "ab" for n in range(3)})
    image = {"size": [8, 8], "channels": 1, "fit": fit}
    description, arrays = place.arrays("images", **PICS, image=image)
    assert description.fit == (None if fit == "stretch" else fit)
    assert ((arrays.train_x[0] > 127) == (FITS[fit] > 127)).all()


def test_what_is_done_to_uploads_counts_even_if_no_picture_of_the_data_needs_it(place: Place) -> None:
    write(place.folder / "pics", entries("PNG"))
    digests = {fit: place.prepare("images", **PICS, image={"fit": fit}).digest for fit in FITS}
    assert len(set(digests.values())) == 3
    assert digests["stretch"] == place.prepare("images", **PICS).digest


def test_what_is_lost_of_transparency_and_frames_is_said_and_photos_are_upright(place: Place) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    grey = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    kinds: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "turned.jpg": (grey.transpose(Image.Transpose.ROTATE_90), {"exif": exif}),
        "turned.png": (grey.transpose(Image.Transpose.ROTATE_90), {"exif": exif}),
        "turned.tif": (grey.transpose(Image.Transpose.ROTATE_90), {"exif": exif}),
        "clear.png": (grey.convert("LA"), {}),
        "pages.tif": (grey, {"save_all": True, "append_images": [Image.new("L", (8, 6))]}),
        "deep.png": (Image.fromarray(np.asarray(grey).astype(np.uint16) << 8), {}),
        "plain.bmp": (grey, {}),
    }
    for name, (image, options) in kinds.items():
        for label in ("a", "b"):
            (place.folder / "pics" / label).mkdir(parents=True, exist_ok=True)
            image.save(place.folder / "pics" / label / name, **options)
    description, arrays = place.arrays("images", **PICS)
    assert description.shape == (6, 8)
    assert description.notes == (
        "pics: 2 of 14 pictures with transparency: laid on white",
        "pics: 2 of 14 pictures with several frames: only the first is used",
    )
    np.testing.assert_allclose(
        arrays.train_x.astype(int), np.asarray(grey)[None].repeat(len(arrays.train_x), 0), atol=4
    )


def test_a_few_unreadable_pictures_may_be_skipped_and_count_for_no_size(place: Place) -> None:
    files = entries("PNG", count=20)
    torn = encoded(size=(90, 90))[:-100]  # its header is whole
    write(place.folder / "pics", files | {"cat/torn.png": torn, "dog/no.png": b"x"})
    assert len(place.refused("images", **PICS)) == len(place.refused("images", **PICS, onUnreadable="fail")) == 2
    description = place.prepare("images", **PICS, onUnreadable="skip")
    assert description.train_rows + description.test_rows == 40 and description.shape == (8, 8)
    assert description.notes == (
        "pics: left out: cat/torn.png, dog/no.png (cannot be read; trainer.data.onUnreadable is skip)",
    )


def test_more_than_a_few_unreadable_pictures_are_not_skipped(place: Place) -> None:
    write(place.folder / "pics", entries("PNG", count=20) | {f"cat/torn{n}.png": b"x" for n in range(3)})
    *named, why = place.refused("images", **PICS, onUnreadable="skip")
    assert [violation.split(": ")[1] for violation in named] == [f"cat/torn{n}.png" for n in range(3)]
    assert why.endswith(
        "pics: 3 of 43 pictures cannot be read; allowed: at most 5% where trainer.data.onUnreadable is skip"
    )


def test_a_name_that_is_not_utf8_is_shown_with_its_bytes(place: Place) -> None:
    write(place.folder / "pics", entries("PNG"))
    name = os.fsdecode(b"pics/caf\xe9/")
    write(place.folder, {f"{name}{number}.png": encoded() for number in range(4)})
    assert place.prepare("images", **PICS).labels == ("caf\\xe9", "cat", "dog")
