"""One image file: every colour mode by its rule, and every fault named by path (reliability, row 31)."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strata.data import _decode, read_image
from strata.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)
GREY16 = (np.arange(77).reshape(7, 11) * 851).astype(np.uint16)


def saved(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def smooth(height=16, width=24):
    """A picture that JPEG keeps nearly as it is."""
    down, across = np.mgrid[0:height, 0:width]
    return np.stack([down * 255 // height, across * 255 // width, 255 - down * 255 // height], axis=2).astype(np.uint8)


# -- what is read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.tiff", {}),
        ("a.ppm", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {"compression": "tiff_lzw"}),
    ],
)
def test_formats_without_loss_come_back_exactly(tmp_path, name, options):
    np.testing.assert_array_equal(read_image(saved(tmp_path / name, RGB, **options)), RGB)


def test_the_content_says_the_format_and_not_the_name(tmp_path):
    path = saved(tmp_path / "a.png", RGB)
    np.testing.assert_array_equal(read_image(path.rename(tmp_path / "a.jpg")), RGB)


def test_jpeg_and_gif_are_near(tmp_path):
    for name in ("a.jpg", "a.gif"):
        assert np.abs(read_image(saved(tmp_path / name, smooth())).astype(int) - smooth()).max() < 40


def test_grey_levels_are_the_luma(tmp_path):
    grey = read_image(saved(tmp_path / "a.png", RGB), channels=1)
    assert grey.shape == (7, 11, 1)
    np.testing.assert_allclose(grey[..., 0], RGB @ [0.299, 0.587, 0.114], atol=1)
    np.testing.assert_array_equal(read_image(saved(tmp_path / "g.png", grey[..., 0])), np.repeat(grey, 3, axis=2))


def test_cmyk(tmp_path):
    """An ink of 0 is white; each channel is the rest of its ink, darkened by black."""
    inks = np.zeros((2, 4, 4), np.uint8)
    inks[0, 1, 0] = inks[0, 2, 1] = inks[0, 3, 3] = 255
    path = saved(tmp_path / "a.tif", Image.frombytes("CMYK", (4, 2), inks.tobytes()))
    assert read_image(path)[0].tolist() == [[255, 255, 255], [0, 255, 255], [255, 0, 255], [0, 0, 0]]
    jpeg = saved(tmp_path / "a.jpg", Image.frombytes("CMYK", (16, 16), bytes([0, 255, 255, 0]) * 256))
    assert np.abs(read_image(jpeg).astype(int) - [255, 0, 0]).max() < 6
    assert np.abs(read_image(jpeg, channels=1).astype(int) - 76).max() < 6


def test_a_palette(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
    image.putdata([0, 1, 0])
    assert read_image(saved(tmp_path / "p.png", image))[0].tolist() == [[10, 20, 30], [200, 100, 50], [10, 20, 30]]
    path = saved(tmp_path / "t.png", image, transparency=1)
    assert read_image(path)[0].tolist() == [[10, 20, 30], [255, 255, 255], [10, 20, 30]]


@pytest.mark.parametrize(("alpha", "expected"), [(255, 100), (0, 255), (51, 224)])
def test_transparency_lies_over_white(tmp_path, alpha, expected):
    grey = Image.merge("LA", [Image.new("L", (2, 2), 100), Image.new("L", (2, 2), alpha)])
    colour = Image.new("RGBA", (2, 2), (100, 100, 100, alpha))
    for number, image in enumerate((grey, colour)):
        for channels in (1, 3):
            pixels = read_image(saved(tmp_path / f"{number}.png", image), channels=channels)
            assert pixels.shape == (2, 2, channels)
            assert (pixels == expected).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_16_bits_keep_the_high_byte(tmp_path, name):
    image = Image.fromarray(GREY16.astype(np.int32) if name == "a.pgm" else GREY16)
    pixels = read_image(saved(tmp_path / name, image), channels=1)
    np.testing.assert_array_equal(pixels[..., 0], GREY16 >> 8)


def test_16_bits_a_channel_keep_the_high_byte(tmp_path):
    """Pillow cannot write this one: PNG, colour type 2, 16 bits, put together by hand."""
    values = np.random.default_rng(1).integers(0, 65536, (3, 4, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = (b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(png(parts))
    np.testing.assert_array_equal(read_image(path), values >> 8)


def png(parts):
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_one_bit_becomes_black_and_white(tmp_path):
    image = Image.fromarray(np.array([[True, False], [False, True]]))
    assert image.mode == "1"
    assert read_image(saved(tmp_path / "a.png", image), channels=1)[..., 0].tolist() == [[255, 0], [0, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """A picture stored turned, with the tag that says so, comes back upright."""
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # numbers of Image.Transpose
    upright = smooth()
    stored = Image.fromarray(upright) if undo is None else Image.fromarray(upright).transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_image(saved(tmp_path / name, stored, exif=exif)), upright)
    jpeg = read_image(saved(tmp_path / "a.jpg", stored, exif=exif, quality=95))
    assert jpeg.shape == upright.shape
    assert np.abs(jpeg.astype(int) - upright).mean() < 4


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about the block
def test_a_damaged_exif_block_is_no_reason_to_refuse(tmp_path):
    path = saved(tmp_path / "a.jpg", smooth(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_image(path).shape == (16, 24, 3)


def test_one_pixel(tmp_path):
    assert read_image(saved(tmp_path / "a.png", RGB[:1, :1])).tolist() == [[RGB[0, 0].tolist()]]


def test_only_the_first_picture_of_a_film_is_read(tmp_path):
    """10,000 frames: the time is that of one, and nothing beyond the first is decoded."""
    frames = [Image.new("L", (4, 4), 10), Image.new("L", (4, 4), 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=10)
    film = buffer.getvalue()
    begin = film.rindex(b"!\xf9")  # the control block of the last frame
    path = tmp_path / "film.gif"
    path.write_bytes(film[:begin] + film[begin:-1] * 10_000 + b";")
    with Image.open(path) as opened:
        opened.seek(3)  # the frames are there
    assert (read_image(path, channels=1) == 10).all()
    path.write_bytes(path.read_bytes()[:begin] + b"\x2c damaged behind the first frame")
    assert (read_image(path, channels=1) == 10).all()


# -- what is refused -------------------------------------------------------------------------------------


def refusal(path, **options):
    with pytest.raises(DataError) as caught:
        read_image(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_no_bytes(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch()
    assert refusal(path) == "the file has no content (0 bytes)."


def test_no_file_and_no_image(tmp_path):
    assert refusal(tmp_path / "no.png") == "there is no such file."
    assert refusal(tmp_path) == "it is a folder."
    assert refusal(tmp_path / "no.png" / "a.png") == "there is no such file."


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.ppm", "a.gif"])
def test_truncated_anywhere(tmp_path, name):
    """Refused, or every pixel was there; nothing is made up."""
    path = saved(tmp_path / name, RGB)
    whole, pixels = path.read_bytes(), read_image(path)
    for length in {len(whole) * sixteenth // 16 for sixteenth in range(1, 16)} | {len(whole) - 1}:
        path.write_bytes(whole[:length])
        if length < 0.9 * len(whole) or not np.array_equal(pixels_or_none(path), pixels):
            assert refusal(path).startswith(("it is truncated or damaged", "it is not an image"))


def pixels_or_none(path):
    try:
        return read_image(path)
    except DataError:
        return None


def test_half_a_large_jpeg(tmp_path):
    """What `verify` of Pillow calls sound."""
    path = saved(tmp_path / "a.jpg", np.kron(smooth(64, 64), np.ones((4, 4, 1), np.uint8)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "it is SVG; images are read from PNG, JPEG, BMP"),
        (b'\xef\xbb\xbf  <?xml version="1.0"?><svg/>', "it is XML or SVG"),
        (b"%PDF-1.7", "it is a PDF document"),
        (b"\0\0\0\x18ftypheic0000", "it is HEIC"),
        (b"\0\0\0\x18ftypavif0000", "it is AVIF"),
        (b"%!PS-Adobe EPS", "it is not an image that is known"),
        (b"hello", "it is not an image that is known"),
    ],
)
def test_other_files_renamed(tmp_path, content, said):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert refusal(path).startswith(said)


def test_a_header_of_30000_by_30000(tmp_path):
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(png([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]))
    assert refusal(path) == "it has 30000 x 30000 pixels, more than the 50000000 that are decoded (`max_pixels`)."


def test_every_format_is_measured_before_it_is_decoded(tmp_path):
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.ppm", "a.gif", "a.webp"):
        path = saved(tmp_path / name, np.zeros((30, 40, 3), np.uint8))
        assert "40 x 30 pixels, more than the 1199" in refusal(path, max_pixels=1199)
        assert read_image(path, max_pixels=1200).shape == (30, 40, 3)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"lossless": True, "exif": b"Exif\0\0"}])
def test_every_kind_of_webp_is_measured_by_its_header(tmp_path, options):
    path = saved(tmp_path / "a.webp", np.zeros((30, 40, 3), np.uint8), **options)
    path.write_bytes(path.read_bytes()[:40])  # what comes after the header is not needed
    assert "40 x 30 pixels" in refusal(path, max_pixels=100)


def test_144_million_pixels_take_no_memory(tmp_path):
    """A PNG of 12,000 x 12,000: Pillow would warn, and then allocate 432 MB."""
    rows = zlib.compressobj(1)
    data = b"".join(rows.compress(b"\0" * 12_001 * 1000) for _ in range(12)) + rows.flush()
    path = tmp_path / "large.png"
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 0, 0, 0, 0)
    path.write_bytes(png([(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]))
    code = (  # the module alone: importing torch takes more memory than the picture would
        "import resource, runpy, sys\n"
        "names = runpy.run_path(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    names['decode'](sys.argv[2], names['Target']())\n"
        "except names['UndecodableError'] as error:\n    print(error.message)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, _decode.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    message, grown = done.stdout.splitlines()
    assert "12000 x 12000 pixels" in message
    assert int(grown) < 10_000  # KiB
    assert done.stderr == ""


def test_numbers_of_32_bits(tmp_path):
    for kind in (np.int32, np.float32):
        path = saved(tmp_path / "a.tif", GREY16.astype(kind))
        assert "32-bit numbers" in refusal(path)


@pytest.mark.parametrize("channels", [2, 4, True, "3"])
def test_wrong_channels(channels):
    with pytest.raises(ValueError, match="`channels` must be 1 .grey levels. or 3 .RGB.. Received: channels="):
        read_image("a.png", channels=channels)


def test_wrong_limit():
    with pytest.raises(ValueError, match="`max_pixels` must be an integer of at least 1. Received: max_pixels=0."):
        read_image("a.png", max_pixels=0)


def test_photographs(shared_data: Path):
    """Real files, when they are there."""
    files = sorted(path for path in (shared_data / "photos").rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    assert files
    for path in files:
        pixels = read_image(path)
        assert min(pixels.shape[:2]) > 30
        assert pixels.std() > 5
