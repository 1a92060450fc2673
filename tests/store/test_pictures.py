"""A trial and a server read the same pixels from a picture of any depth; what has no range is rejected."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from atelier_server.codecs import pictures as server
from atelier_store.layout import Store
from atelier_store.pictures import UnreadablePicture, pixels
from atelier_store.records import Manifest
from atelier_store.spec import Data
from atelier_trial.data import DataError, load, prepare
from PIL import Image

from tests.support.encoding import encoded
from tests.support.onnx_bundles import image_bundle

DEEP = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
"""Greys from black to white, most of them above 255."""

UPPER = (DEEP >> 8).astype(np.uint8)


def deep_rgb_png() -> bytes:
    """DEEP in all three colours, byte by byte: Pillow writes no such PNG."""
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in DEEP)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def big_endian_tiff() -> bytes:
    return encoded(Image.frombytes("I;16B", (8, 8), DEEP.astype(">u2").tobytes()), "TIFF")


def trained_on(folder: Path, content: bytes, suffix: str, **image: object) -> np.ndarray:
    """The pixels that a trial would train on, from a folder where this picture is every class's only one."""
    for label in ("a", "b"):
        for number in range(3):
            path = folder / "set" / label / f"{number}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    data = Data.model_validate({"source": "images", "files": {"train": {"path": "set"}}, "image": image or None})
    store = Store(folder / "store")
    pictures = load(store, prepare(data, store, folder, None, seed=0)).train_x
    assert (pictures == pictures[0]).all()
    return np.asarray(pictures[0])


def served(content: bytes, channels: int = 0, **fields: str) -> np.ndarray:
    """The pixels that a server of 8 x 8 pictures would predict from."""
    manifest = Manifest(**image_bundle(channels=channels).fields, **fields, files={})
    pixels: np.ndarray = server.decode([server.Upload("a", content)], manifest)[0]
    return pixels


PICTURES = {
    "16-bit grey png": (encoded(Image.fromarray(DEEP)), ".png", UPPER),
    "16-bit grey tiff": (encoded(Image.fromarray(DEEP), "TIFF"), ".tif", UPPER),
    "16-bit big-endian tiff": (big_endian_tiff(), ".tiff", UPPER),
    "16-bit colour png": (deep_rgb_png(), ".png", np.repeat(UPPER[..., None], 3, 2)),
    "8-bit grey png": (encoded(UPPER), ".png", UPPER),
    "half transparent": (
        encoded(Image.fromarray(np.stack([UPPER, UPPER.T], -1), "LA")),
        ".png",
        np.asarray(
            Image.alpha_composite(
                Image.new("RGBA", (8, 8), "white"), Image.fromarray(np.stack([UPPER] * 3 + [UPPER.T], -1), "RGBA")
            ).convert("L")
        ),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_trial_and_a_server_read_the_same_pixels(tmp_path: Path, name: str) -> None:
    content, suffix, expected = PICTURES[name]
    np.testing.assert_array_equal(trained_on(tmp_path, content, suffix), expected)
    np.testing.assert_array_equal(served(content, 3 if expected.ndim == 3 else 0), expected)


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"]


def noise(mode: str) -> Image.Image:
    """A picture of 40 x 23 in a mode of Pillow's."""
    values = np.random.default_rng(0).integers(0, 256, (23, 40, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) << 8)
    if mode == "LAB":
        return Image.frombytes("LAB", (40, 23), values[..., :3].tobytes())
    colours = Image.fromarray(values, "RGBA")
    if mode in ("CMYK", "YCbCr"):
        return colours.convert("RGB").convert(mode)
    return colours.convert("P").convert("PA") if mode == "PA" else colours.convert(mode)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_a_picture_of_any_mode_and_size_is_the_same_to_a_trial_and_a_server(
    tmp_path: Path, mode: str, channels: int, fit: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    form = "TIFF" if mode in ("PA", "CMYK", "YCbCr", "LAB") else "PNG"
    content, suffix = encoded(noise(mode), form, exif=exif), f".{form.lower()}"
    pixels = trained_on(tmp_path, content, suffix, size=[8, 8], channels=channels, fit=fit)
    assert pixels.shape == ((8, 8) if channels == 1 else (8, 8, 3))
    np.testing.assert_array_equal(pixels, served(content, 0 if channels == 1 else 3, fit=fit))


def test_a_bundle_that_does_not_say_how_pictures_fit_stretches_them() -> None:
    content = encoded(np.random.default_rng(0).integers(0, 256, (23, 40), dtype=np.uint8))
    np.testing.assert_array_equal(served(content), served(content, fit="stretch"))


def test_a_line_of_pixels_is_padded_too() -> None:
    padded = pixels(encoded(np.zeros((1, 1000), np.uint8)), size=(8, 8), fit="pad")
    assert padded.shape == (8, 8) and (padded == 0).sum() == 8


def test_a_photo_and_its_own_size_are_read_alike_though_its_format_loses_detail(tmp_path: Path) -> None:
    content = encoded(np.repeat(UPPER[..., None], 3, 2), "JPEG")
    np.testing.assert_array_equal(trained_on(tmp_path, content, ".jpg"), served(content, 3))


@pytest.mark.parametrize(("largest", "middle"), [(65535, 32768), (4095, 2048), (1023, 512)])
def test_a_netpbm_picture_is_white_at_its_own_largest_value(largest: int, middle: int) -> None:
    content = f"P5 3 1 {largest}\n".encode() + np.array([0, middle, largest], ">u2").tobytes()
    assert pixels(content, formats=("PPM",)).tolist() == [[0, 128, 255]]


def test_a_tiff_of_12_bits_is_white_at_4095() -> None:
    strip = bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x00])  # 0, 2048, 4095, 0 in 12 bits each
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    content = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory
    assert pixels(content).tolist() == [[0, 128, 255, 0]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_numbers_without_a_range_are_rejected_by_both_with_the_same_words(tmp_path: Path, dtype: type) -> None:
    content = encoded(Image.fromarray(DEEP.astype(dtype)), "TIFF")
    with pytest.raises(UnreadablePicture, match=r"has pixels of mode [IF]; allowed: 8 or 16 bits") as error:
        pixels(content)
    with pytest.raises(DataError) as of_trial:
        trained_on(tmp_path, content, ".tif")
    assert len(of_trial.value.violations) == 6
    assert all(violation.endswith(f".tif: {error.value}") for violation in of_trial.value.violations)
    with pytest.raises(Exception) as of_server:  # what it is turned into is the server's
        served(content)
    assert str(error.value) in str(vars(of_server.value))


def test_depth_is_cut_after_the_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half
    content = encoded(Image.fromarray(DEEP), "PNG", exif=exif)
    np.testing.assert_array_equal(pixels(content), UPPER[::-1, ::-1])


def test_too_many_pixels_are_rejected_before_they_are_decoded() -> None:
    file = BytesIO()
    Image.new("1", (300, 200)).save(file, "PNG")
    with pytest.raises(UnreadablePicture, match="has 300 x 200 pixels, at most 59999 are read"):
        pixels(file.getvalue(), most_pixels=59_999)
