"""Pictures as files."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image


def encoded(array: np.ndarray | Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(file, format, **options)
    return file.getvalue()
