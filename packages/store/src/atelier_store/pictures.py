"""Encoded pictures as pixels: a trial reads its files as a server reads its uploads, so both see the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from atelier_store.spec import Fit

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
FILE_FORMATS = (*FORMATS, "PPM")
"""What a trial reads: uploads are in the formats that browsers and cameras write."""
GREY = ("1", "L", "LA")
"""Pillow's modes of 8 bits without colour."""

BITS_PER_SAMPLE = 258
"""TIFF's tag for the depth of a channel."""


class UnreadablePicture(ValueError):
    """The message says why; it reads on after the picture's name and a colon."""


class UnknownFormat(UnreadablePicture):
    """It is a picture in no format that is read, or no picture at all."""


class Look(NamedTuple):
    """What a picture is like: its size (width, height) once it is upright, and what is lost when it is read."""

    size: tuple[int, int]
    is_grey: bool
    is_transparent: bool
    has_frames: bool


def look(content: bytes | Path, formats: tuple[str, ...] = FORMATS, is_whole: bool = False) -> Look:
    """What pixels() would find, from the file's header where that is enough; is_whole: after all of it was decoded.

    content is that of a file, or the file's path.

    Raises UnreadablePicture.
    """
    with _opened(content, formats) as image:
        bits = _bits(image)
        if is_whole:
            image.load()
        frames = bool(getattr(image, "is_animated", False))
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            ImageOps.exif_transpose(image, in_place=True)
        is_grey = bits > 8 or image.mode in GREY
        return Look(image.size, is_grey, image.has_transparency_data, frames)


def pixels(
    content: bytes | Path,
    mode: str | None = None,
    size: tuple[int, int] | None = None,
    *,
    fit: Fit = "stretch",
    formats: tuple[str, ...] = FORMATS,
    most_pixels: int | None = None,
) -> NDArray[np.uint8]:
    """The picture (H, W) or (H, W, C), upright by its EXIF, transparency laid on white. Raises UnreadablePicture.

    mode is Pillow's, L, RGB or RGBA; by default L for a picture in grey, else RGB. size is (width, height), by default
    the picture's own; fit says how it gets there. Of several frames the first is taken. Channels of 16 bits keep their
    upper 8, whatever the format; numbers that have no such range (floats, 32 bits, with a sign) are rejected, since any
    choice of black and white would be a guess.
    """
    with _opened(content, formats) as image:
        if most_pixels is not None and image.width * image.height > most_pixels:
            raise UnreadablePicture(f"has {image.width} x {image.height} pixels, at most {most_pixels} are read")
        bits = _bits(image)
        ImageOps.exif_transpose(image, in_place=True)
        shallow = image if bits == 8 else _eight_bits(image, bits)
        own_mode = "L" if shallow.mode in GREY else "RGB"
        return np.asarray(_resized(shallow, mode or own_mode, size or shallow.size, fit))


@contextmanager
def _opened(content: bytes | Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """The picture, not decoded yet; whatever is raised while it is read becomes an UnreadablePicture."""
    try:
        # Pillow maps a file that it opens itself, and closes it early: one that is open is read as bytes are
        opened = BytesIO(content) if isinstance(content, bytes) else content.open("rb")
        with opened as file, Image.open(file, formats=formats) as image:
            yield image
    except UnidentifiedImageError:
        raise UnknownFormat(f"is not a picture in a known format ({', '.join(formats)})") from None
    except UnreadablePicture:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types on a broken file
        raise UnreadablePicture(f"cannot be read: {error}") from error


def _bits(image: Image.Image) -> int:
    """The bits of a channel. Pillow itself cuts colours to 8, greys it keeps as they are."""
    if image.mode.startswith("I;16"):
        return int(image.getexif().get(BITS_PER_SAMPLE, 16)) if image.format == "TIFF" else 16
    if image.mode == "I" and image.format == "PPM":
        return 16  # whatever the file's largest value is, Pillow makes it 65535
    if image.mode in ("I", "F"):
        raise UnreadablePicture(f"has pixels of mode {image.mode}; allowed: 8 or 16 bits a channel, without a sign")
    return 8


def _eight_bits(grey: Image.Image, bits: int) -> Image.Image:
    """The upper 8 bits, where Pillow's own conversion would make white of all that is above 255."""
    return Image.fromarray((np.asarray(grey) >> (bits - 8)).astype(np.uint8))


def _resized(image: Image.Image, mode: str, size: tuple[int, int], fit: Fit) -> Image.Image:
    """The picture in this mode and size. White is laid below after resizing: less memory, the same result."""
    if image.mode == "LAB":  # which Pillow converts to colours only
        image = image.convert("RGB")
    if mode == "RGBA" or not image.has_transparency_data:
        return _fitted(image.convert(mode), size, fit)
    small = _fitted(image if image.mode == "RGBA" else image.convert("RGBA"), size, fit)
    return Image.alpha_composite(Image.new("RGBA", size, "white"), small).convert(mode)


def _fitted(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Exactly this size: without regard to aspect, or the middle of it, or all of it with white beside it."""
    if fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    if fit == "stretch":
        return image.resize(size, Image.Resampling.LANCZOS)
    scale = min(size[0] / image.width, size[1] / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new(image.mode, size, "white")
    inner = image.resize((width, height), Image.Resampling.LANCZOS)
    canvas.paste(inner, ((size[0] - width) // 2, (size[1] - height) // 2))
    return canvas
