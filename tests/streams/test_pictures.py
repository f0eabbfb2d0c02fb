"""Pictures as cameras, scanners and careless people leave them."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from avalanche_mas.streams.pictures import ArrayPicture, FilePicture, is_grey


def opened(path):
    image = FilePicture("a", path).open()
    assert image.mode == "RGB"
    return np.asarray(image)


def sixteen_bits(path, values, color=0):
    """A 16-bit PNG, written by hand: grey, or RGB with color=2."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16", "I"])
def test_every_mode_becomes_rgb(mode, tmp_path):
    path = tmp_path / ("a.png" if mode not in ("CMYK", "I") else "a.tif")
    Image.new(mode, (8, 8)).save(path)
    assert opened(path).shape == (8, 8, 3)


def test_grey_jpeg(tmp_path):
    Image.new("L", (8, 8), 77).save(tmp_path / "a.jpg")
    assert (opened(tmp_path / "a.jpg") == 77).all()
    assert is_grey(FilePicture("a", tmp_path / "a.jpg"))


def test_cmyk_jpeg_has_its_colour(tmp_path):
    Image.new("RGB", (16, 16), (200, 40, 40)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(opened(tmp_path / "a.jpg").astype(int) - (200, 40, 40)).max() < 12


def test_sixteen_bit_grey_is_scaled_and_not_cut_off(tmp_path):
    values = np.array([[0, 128, 129, 257], [255, 32768, 65279, 65535]], np.uint16)
    sixteen_bits(tmp_path / "a.png", values)
    expected = np.round(values / 257).astype(np.uint8)
    assert expected.tolist() == [[0, 0, 1, 1], [1, 128, 254, 255]]
    assert np.array_equal(opened(tmp_path / "a.png"), expected[..., None].repeat(3, axis=-1))


def test_sixteen_bit_grey_of_the_other_byte_order(tmp_path):
    values = np.array([[0, 257, 65535]], np.uint16)
    Image.frombytes("I;16B", (3, 1), values.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    assert opened(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 1, 255]


def test_sixteen_bit_colour(tmp_path):
    values = np.array([[[0, 32896, 65535]]], np.uint16)
    sixteen_bits(tmp_path / "a.png", values, color=2)
    assert opened(tmp_path / "a.png").tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize(("mode", "value"), [("I", 70000), ("I", -1), ("F", 0.5)])
def test_pixels_of_unknown_range_are_refused(mode, value, tmp_path):
    path = tmp_path / "a.tif"
    Image.new(mode, (2, 2), value).save(path)
    with pytest.raises(ValueError, match="is not a readable image: its") as caught:
        opened(path)
    assert str(path) in str(caught.value)


def test_what_is_transparent_shows_white(tmp_path):
    path = tmp_path / "a.png"
    see_through = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
    see_through.putpixel((1, 0), (0, 0, 255, 0))
    see_through.putpixel((2, 0), (0, 0, 255, 128))
    see_through.save(path)
    assert opened(path).tolist() == [[[255, 0, 0], [255, 255, 255], [127, 127, 255]]]


def test_palette_with_transparency(tmp_path):
    path = tmp_path / "a.png"
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putdata([0, 1])
    image.save(path, transparency=bytes([255, 0]))
    assert opened(path).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_the_orientation_of_the_camera_is_not_applied(tmp_path):
    """Boxes of the data sets count the pixels as they are stored; torchvision does the same."""
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (20, 10)).save(path, exif=exif)
    assert opened(path).shape == (10, 20, 3)


def test_a_png_that_is_called_jpg(tmp_path):
    path = tmp_path / "ein Bild – 画.jpg"
    Image.new("RGB", (4, 4), (1, 2, 3)).save(path, format="PNG")
    assert (opened(path) == (1, 2, 3)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_truncated_files_are_named(kind, kept, tmp_path):
    path = tmp_path / "a"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, format=kind)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match="is not a readable image") as caught:
        opened(path)
    assert str(path) in str(caught.value)


def test_a_box_is_cut_out_inside_the_image(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    assert FilePicture("x", path, (2, 0, 18, 30)).open().size == (16, 30)
    assert FilePicture("x", path, (-7, -7, 99, 99)).open().size == (40, 30)


@pytest.mark.parametrize("box", [(40, 0, 50, 30), (-9, 0, 0, 30), (0, 30, 40, 31), (7, 5, 7, 9)])
def test_a_box_without_a_pixel_is_named(box, tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    with pytest.raises(ValueError, match=r"the box .* has no pixel of the image") as caught:
        FilePicture("x", path, box).open()
    assert str(path) in str(caught.value)


def test_state_changes_with_the_pixels(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    states = [FilePicture("x", path).state(), FilePicture("x", path, (0, 0, 9, 9)).state()]
    Image.new("RGB", (40, 31)).save(path)
    states.append(FilePicture("x", path).state())
    pixels = np.zeros((4, 2, 3), np.uint8)
    states += [ArrayPicture("x", array).state() for array in (pixels, pixels + 1, pixels[:2])]
    assert len(set(states)) == 6
    assert ArrayPicture("y", pixels.copy()).state() == ArrayPicture("x", pixels).state()
