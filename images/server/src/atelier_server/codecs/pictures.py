"""Uploaded pictures, as the pixels that an image model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import cast

import numpy as np
from atelier_store.pictures import UnreadablePicture, pixels
from atelier_store.records import Manifest
from atelier_store.spec import Fit
from PIL import Image
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, FormParser, parse_options_header

from atelier_server.codecs.violations import Invalid, Malformed, Unsupported, Violation

MOST_PIXELS = 25_000_000
"""Each takes four bytes, twice while it is resized, in every worker at the same time: that has to fit in a pod."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode by the number of channels."""


@dataclass(frozen=True)
class Upload:
    """One uploaded file."""

    name: str
    content: bytes


def uploads(form: bytes, content_type: str) -> list[Upload]:
    """The files of a multipart form, kept in memory. Raises Malformed if it is not one."""
    files: list[Upload] = []

    def keep(file: File) -> None:
        name = (file.file_name or b"file").decode(errors="replace")
        files.append(Upload(name, cast(BytesIO, file.file_object).getvalue()))

    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        config = {"MAX_MEMORY_FILE_SIZE": len(form) + 1}  # a read-only container has no disk to spill to
        parser = FormParser("multipart/form-data", on_field=None, on_file=keep, boundary=boundary, config=config)
        parser.write(form)
        parser.finalize()
    except FormParserError as error:
        raise Malformed("form", f"the body is not a multipart form: {error}") from error
    return files


def decode(uploads: Sequence[Upload], manifest: Manifest, invert: bool = False) -> np.ndarray:
    """The pictures as (N, H, W) or (N, H, W, C) in the model's own size and channels, one per upload.

    Turned upright by their EXIF, transparency laid on white, resized as the manifest's fit says; invert swaps dark and
    light. Raises Invalid, which names every file that cannot be read; Unsupported if the model does not take pictures.
    """
    if manifest.kind != "images":
        raise Unsupported(f"this model takes {manifest.kind}, not pictures: send JSON {{'instances': [...]}} or CSV")
    shape = manifest.inputs[0].shape[1:]
    wrong: list[Violation] = []
    pictures: list[np.ndarray] = []
    for index, upload in enumerate(uploads):
        try:
            pictures.append(_pixels(upload.content, shape, manifest.fit or "stretch"))
        except UnreadablePicture as error:
            wrong.append((f"#/files/{index}", f"{upload.name}: {error}"))
    if wrong or not pictures:
        raise Invalid(wrong or [("#/files", "must hold at least one picture")])
    array = np.stack(pictures)
    return 255 - array if invert else array


def encode(picture: np.ndarray) -> bytes | None:
    """One picture, shape (H, W) or (H, W, C), as a PNG that decode() reads as the same pixels.

    None if no PNG has so many channels.
    """
    channels = picture.shape[2] if picture.ndim == 3 else 1
    if channels not in MODES:
        return None
    file = BytesIO()
    Image.fromarray(picture[..., 0] if picture.ndim == 3 and channels == 1 else picture).save(file, "PNG")
    return file.getvalue()


def _pixels(content: bytes, shape: Sequence[int], fit: Fit) -> np.ndarray:
    height, width = shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    array = pixels(content, MODES[channels], (width, height), fit=fit, most_pixels=MOST_PIXELS)
    return array.reshape(tuple(shape))
