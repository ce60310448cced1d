"""Damaged bytes: whatever comes, `read_image` gives pixels or a `DataError`, soon and without much memory."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from strata.data import read_image
from strata.errors import DataError

SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
SAVED = [
    ("PNG", {}),
    ("JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
    ("JPEG", {"progressive": True}),
    ("BMP", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_deflate"}),
    ("TIFF", {"compression": "jpeg"}),
    ("PPM", {}),
]


def encoded(kind, options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def assert_says(message, path):
    assert message.startswith(f"{path}: ")


def pixels_or_message(path, content):
    path.write_bytes(content)
    try:
        pixels = read_image(path, max_pixels=1_000_000)
    except DataError as error:
        assert_says(str(error), path)
        return None
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.size <= 3_000_000
    return pixels


@pytest.mark.filterwarnings("ignore")  # Pillow speaks of what it repairs
@pytest.mark.parametrize(("kind", "options"), SAVED)
@SETTINGS
@given(data=st.data())
def test_bytes_changed(tmp_path, kind, options, data):
    content = bytearray(encoded(kind, options))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    pixels_or_message(tmp_path / "a", bytes(content))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "options"), SAVED)
@SETTINGS
@given(data=st.data())
def test_a_part_removed_or_repeated(tmp_path, kind, options, data):
    content = encoded(kind, options)
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(0, len(content)))
    pixels_or_message(tmp_path / "a", content[:start] + content[stop:])


@pytest.mark.filterwarnings("ignore")
@SETTINGS
@given(st.binary(max_size=200), st.sampled_from([encoded(*entry)[:12] for entry in SAVED]))
def test_anything_after_a_signature(tmp_path, rest, signature):
    pixels_or_message(tmp_path / "a", signature + rest)
