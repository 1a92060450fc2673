"""Photos of every mode, size and fault are trained on and served, and a trial sees the pixels that the service sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_server.codecs import pictures
from atelier_server.codecs.pictures import Upload
from atelier_server.promotion import promote
from atelier_store.records import Manifest
from atelier_trial.data import DataError, load, prepare
from PIL import Image
from playwright.sync_api import Browser

from tests.support.browser import faultless
from tests.support.encoding import encoded
from tests.support.server_process import serving
from tests.support.workplace import Workplace, profile

pytestmark = pytest.mark.process

COUNT = 600
CLASSES = ("dunkel grün", "свет")
RANDOM = np.random.default_rng(0)


def turned(orientation: int, format: str) -> Callable[[Image.Image], bytes]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return lambda photo: encoded(photo, format, exif=exif)


def sixteen_bit(photo: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) << 8)


def transparent(photo: Image.Image) -> Image.Image:
    alpha = Image.linear_gradient("L").resize(photo.size)
    return Image.merge("RGBA", (*photo.split(), alpha))


def frames(photo: Image.Image, format: str) -> bytes:
    return encoded(photo, format, save_all=True, append_images=[photo.rotate(90).resize(photo.size)])


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "rgb.png": encoded,
    "photo.JPG": lambda photo: encoded(photo, "JPEG"),
    "turned 6.jpeg": turned(6, "JPEG"),
    "turned 3.jpeg": turned(3, "JPEG"),
    "turned 8.png": turned(8, "PNG"),
    "grey.png": lambda photo: encoded(photo.convert("L")),
    "bit.png": lambda photo: encoded(photo.convert("1")),
    "deep.png": lambda photo: encoded(sixteen_bit(photo)),
    "deep.tif": lambda photo: encoded(sixteen_bit(photo), "TIFF"),
    "print.jpg": lambda photo: encoded(photo.convert("CMYK"), "JPEG"),
    "print.tif": lambda photo: encoded(photo.convert("CMYK"), "TIFF"),
    "palette.png": lambda photo: encoded(photo.quantize(16)),
    "palette.gif": lambda photo: encoded(photo.quantize(16), "GIF"),
    "clear palette.png": lambda photo: encoded(photo.quantize(16), transparency=3),
    "clear.png": lambda photo: encoded(transparent(photo)),
    "clear grey.png": lambda photo: encoded(transparent(photo).convert("LA")),
    "moving.gif": lambda photo: frames(photo.quantize(8), "GIF"),
    "moving.webp": lambda photo: frames(photo, "WEBP"),
    "pages.tiff": lambda photo: frames(photo, "TIFF"),
    "web.webp": lambda photo: encoded(photo, "WEBP", lossless=True),
    "plain.bmp": lambda photo: encoded(photo, "BMP"),
    "naïve 写真.png": encoded,
}
NO_PICTURES: dict[str, bytes] = {
    f"{CLASSES[0]}/.DS_Store": b"x",
    f"{CLASSES[0]}/Thumbs.db": b"x",
    f"{CLASSES[1]}/._web.png": b"x",
    f"{CLASSES[1]}/.hidden.png": b"x",
    f"{CLASSES[1]}/read me.txt": b"x",
    "__MACOSX/a/._b.png": b"x",
}


def made_up() -> dict[str, bytes]:
    """Photos by their names; one in 25 is torn, or empty."""
    kinds, found = list(KINDS), {}
    for number in range(COUNT):
        label, kind = number % 2, kinds[number // 2 % len(kinds)]
        size = (*RANDOM.integers(16, 49, 2), 3)
        photo = Image.fromarray((RANDOM.integers(0, 120, size) + 130 * label).astype(np.uint8))
        content = KINDS[kind](photo)
        if number % 25 == 24:
            content = b"" if number % 50 == 24 else content[: len(content) // 5]
        found[f"{CLASSES[label]}/{number} {kind}"] = content
    return found


def is_broken(name: str) -> bool:
    return int(Path(name).name.split()[0]) % 25 == 24


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    return made_up()


@pytest.fixture
def data(work: Workplace, photos: dict[str, bytes]) -> dict[str, Any]:
    for name, content in (photos | NO_PICTURES).items():
        path = work.folder / "my photos/2024/all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    image = {"size": [24, 32], "channels": 3, "fit": "crop"}
    return {"source": "images", "files": {"train": {"path": str(work.folder / "my photos")}}, "image": image}


def test_photos_of_every_kind_are_trained_on_and_served_as_they_were_seen(
    work: Workplace, data: dict[str, Any], photos: dict[str, bytes], browser: Browser
) -> None:
    spec = profile(1, data)
    with pytest.raises(DataError) as refused:
        prepare(spec.trainer.data, work.store, work.folder, None, 0)
    named = {violation.split(": ")[1].removeprefix("2024/all/") for violation in refused.value.violations}
    assert named == {name for name in photos if is_broken(name)}

    spec = profile(1, data | {"onUnreadable": "skip"})
    end = work.run(spec, "stem_width=4", "stage1_width=4", "batch=64")
    assert end.code == 0, end.err

    description = prepare(spec.trainer.data, work.store, work.folder, None, 0)
    arrays = load(work.store, description)
    manifest = Manifest.read(work.trial.bundle.manifest)
    assert manifest.labels == CLASSES
    seen = {
        (int(label), pixels.tobytes())
        for x, y in ((arrays.train_x, arrays.train_y), (arrays.test_x, arrays.test_y))
        for pixels, label in zip(x, y, strict=True)
    }
    readable = {name: content for name, content in photos.items() if not is_broken(name)}
    asked = pictures.decode([Upload(name, content) for name, content in readable.items()], manifest)
    assert len(asked) == description.train_rows + description.test_rows
    uploaded = {
        (CLASSES.index(name.partition("/")[0]), pixels.tobytes()) for name, pixels in zip(readable, asked, strict=True)
    }
    assert uploaded == seen

    assert promote.run(work.store, spec.experiment_name, "photos") == 0
    some = list(readable)[: 2 * len(KINDS)]
    with serving(work.store, "photos") as server:
        files = [("file", (Path(name).name, readable[name])) for name in some]
        predicted = server.client.post("/predict", files=files).raise_for_status().json()["predictions"]
        instances = {"instances": asked[: len(some)].tolist()}
        assert predicted == server.client.post("/predict", json=instances).raise_for_status().json()["predictions"]

        one_of_each = {Path(name).name.partition(" ")[2]: content for name, content in readable.items()}
        assert one_of_each.keys() == KINDS.keys()
        with faultless(browser) as page:
            page.goto(server.url)
            for name, content in one_of_each.items():
                chosen = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
                with page.expect_response("**/predict*") as answered:
                    page.get_by_label("or a file").set_input_files(chosen)  # type: ignore[arg-type]
                alone = server.client.post("/predict", files={"file": (name, content)}).raise_for_status()
                assert answered.value.json()["predictions"] == alone.json()["predictions"], name
