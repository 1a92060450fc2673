import httpx
import numpy as np
import pytest
from atelier_server.codecs import pictures
from atelier_server.codecs.pictures import Upload
from atelier_server.codecs.violations import Invalid
from atelier_store.layout import Store
from atelier_store.records import Manifest
from PIL import Image

from tests.support.encoding import encoded
from tests.support.onnx_bundles import image_bundle, publish
from tests.support.server_process import Server, errors, problem, serving

pytestmark = pytest.mark.process

PIXELS = image_bundle().inputs[0]


def decoded(content: bytes, channels: int = 0, invert: bool = False) -> np.ndarray:
    manifest = image_bundle(channels=channels).fields
    picture: np.ndarray = pictures.decode([Upload("a", content)], Manifest(**manifest, files={}), invert)[0]
    return picture


def as_json(server: Server, pixels: np.ndarray) -> list[dict[str, object]]:
    response = server.client.post("/predict", json={"instances": [pixels.tolist()]})
    predictions: list[dict[str, object]] = response.json()["predictions"]
    return predictions


def test_an_uploaded_picture_gets_the_prediction_of_its_pixels(images: Server) -> None:
    answer = images.client.post("/predict", files={"file": ("a.png", encoded(PIXELS), "image/png")})
    assert answer.raise_for_status().json()["predictions"] == as_json(images, PIXELS)


def test_a_picture_may_be_the_body_itself(images: Server) -> None:
    answer = images.client.post("/predict", content=encoded(PIXELS), headers={"Content-Type": "image/png"})
    assert answer.raise_for_status().json()["predictions"] == as_json(images, PIXELS)


def test_several_pictures_in_one_form_are_predicted_in_order(images: Server) -> None:
    pixels = image_bundle().inputs[:3]
    answer = images.client.post("/predict", files=[("file", (f"{i}.png", encoded(p))) for i, p in enumerate(pixels)])
    assert answer.json()["predictions"] == [prediction for p in pixels for prediction in as_json(images, p)]


def test_a_picture_over_a_mebibyte_is_read_from_memory(images: Server) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1100), dtype=np.uint8)
    content = encoded(noise)
    assert len(content) > 2**20
    assert images.client.post("/predict", files={"file": content}).status_code == 200


def test_invert_swaps_dark_and_light(images: Server) -> None:
    answer = images.client.post("/predict?invert=true", files={"file": encoded(PIXELS)})
    assert answer.json()["predictions"] == as_json(images, 255 - PIXELS)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_and_any_size_is_brought_to_the_models(format: str) -> None:
    left_half_white = np.zeros((64, 64), np.uint8)
    left_half_white[:, :32] = 255
    pixels = decoded(encoded(left_half_white, format))
    assert pixels.shape == (8, 8) and pixels.dtype == np.uint8
    assert pixels[:, :3].min() > 230 and pixels[:, 5:].max() < 25


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_the_models_channels(mode: str, channels: int) -> None:
    image = Image.new("I;16", (8, 8), 65535) if mode == "I;16" else Image.new("RGB", (8, 8), "white").convert(mode)
    pixels = decoded(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), channels)
    assert pixels.shape == ((8, 8, channels) if channels else (8, 8))
    assert pixels.min() == 255


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    assert np.all(decoded(encoded(Image.fromarray(np.full((8, 8), 128 << 8, np.uint16)))) == 128)


def test_transparency_is_laid_on_white() -> None:
    assert np.all(decoded(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))) == 255)


def test_a_photo_is_turned_upright_by_its_exif() -> None:
    top_white = np.zeros((8, 8), np.uint8)
    top_white[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half
    assert decoded(encoded(top_white, "PNG", exif=exif))[4:].min() == 255


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a picture"),
        (b"not a picture", "is not a picture"),
        (encoded(PIXELS)[:50], "cannot be read"),
        (encoded(np.zeros((300, 300), np.uint8), "JPEG")[:300], "cannot be read"),
        (encoded(Image.new("1", (8000, 8000))), "8000 x 8000 pixels, at most"),
    ],
)
def test_a_file_that_is_no_picture_is_named_and_the_good_one_is_not(content: bytes, words: str) -> None:
    from atelier_store.records import Manifest

    manifest = Manifest(**image_bundle().fields, files={})
    with pytest.raises(Invalid) as refused:
        pictures.decode([Upload("good.png", encoded(PIXELS)), Upload("bad.png", content)], manifest)
    [(pointer, detail)] = refused.value.violations
    assert pointer == "#/files/1"
    assert detail.startswith("bad.png: ") and words in detail


def test_a_form_without_files_says_so(images: Server) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    text = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    assert errors(images.client.post("/predict", content=text, headers=boundary), 422) == {
        "#/files": "must hold at least one picture"
    }


@pytest.mark.parametrize("header", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_form_is_a_bad_request(images: Server, header: str) -> None:
    problem(images.client.post("/predict", content=b"--y nonsense", headers={"Content-Type": header}), 400)


def test_a_model_of_rows_takes_no_pictures(rows: Server) -> None:
    response: httpx.Response = rows.client.post("/predict", files={"file": encoded(PIXELS)})
    assert "takes rows, not pictures" in problem(response, 415)["detail"]


def test_a_colour_model_sees_colours(store: Store) -> None:
    publish(store, image_bundle(channels=3))
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    with serving(store) as server:
        answer = server.client.post("/predict", files={"file": encoded(red)})
        assert answer.json()["predictions"] == as_json(server, red)


def test_a_photo_of_any_size_is_fitted_as_in_training(store: Store) -> None:
    bundle = image_bundle()
    bundle.fields["fit"] = "crop"
    publish(store, bundle)
    photo = np.zeros((8, 16), np.uint8)
    photo[:, 4:12] = PIXELS
    with serving(store) as server:
        answer = server.client.post("/predict", files={"file": encoded(photo)})
        assert answer.json()["predictions"] == as_json(server, PIXELS)
