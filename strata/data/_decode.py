"""Decoding one image file, or saying in one line why it cannot be.

This module imports NumPy and Pillow only, so that worker processes start in a moment: they run it as a program, see
:mod:`strata.data._decode_workers`. Readers are called by their signature and not through ``Image.open``, so the list
of formats is closed, nothing is allocated before the size is known, and no limit of Pillow's is changed for others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

__all__ = ["FORMATS", "MAX_FILE_BYTES", "MAX_PIXELS", "Target", "UndecodableError", "decode"]

#: Pixels of the largest image that is read; RGB of this size takes 150 MB.
MAX_PIXELS = 50_000_000
#: Bytes of the largest image file that is read.
MAX_FILE_BYTES = 512 << 20
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")

_ORIENTATION = 0x0112
_WORKING_MODES = ("L", "RGB", "RGBA", "CMYK")
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"<?xml", "XML or SVG"),
    (b"<svg", "SVG"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip stream"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
)


class UndecodableError(Exception):
    """The file cannot be read as an image.

    Parameters
    ----------
    kind : str
        "missing", "unreadable", "empty", "format", "damaged", "too_large" or "mode".
    message : str
        What is wrong and the way out, without the path.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


class Target(NamedTuple):
    """What an image is to become.

    Attributes
    ----------
    channels : int
        1 for grey levels, 3 for RGB.
    size : tuple of int or None
        ``(height, width)``; None keeps the image's own.
    resize : str
        "crop", "stretch" or "pad".
    max_pixels : int
        Pixels of the largest image that is decoded.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    resize: str = "crop"
    max_pixels: int = MAX_PIXELS


def decode(path: str | os.PathLike[str], target: Target) -> np.ndarray:
    """Return an image file as uint8 of shape ``(height, width, channels)``, or raise :class:`UndecodableError`."""
    try:
        with open(path, "rb") as file:
            return _decode_file(file, target)
    except (FileNotFoundError, NotADirectoryError):
        raise UndecodableError("missing", "there is no such file.") from None
    except IsADirectoryError:
        raise UndecodableError("unreadable", "it is a folder.") from None
    except OSError as error:
        raise UndecodableError("unreadable", f"it cannot be read ({error.strerror or error}).") from None


def _decode_file(file: IO[bytes], target: Target) -> np.ndarray:
    n_bytes = os.fstat(file.fileno()).st_size
    head = file.read(64)
    file.seek(0)
    if not head:
        raise UndecodableError("empty", "the file has no content (0 bytes).")
    if n_bytes > MAX_FILE_BYTES:
        raise UndecodableError(
            "too_large", f"the file has {n_bytes} bytes, more than the {MAX_FILE_BYTES} that are read."
        )
    reader = _reader_of(head)
    if reader is WebPImageFile:  # its reader allocates the canvas at once
        _check_size(_webp_size(head), target.max_pixels)
    try:
        with reader(file) as image:
            return _convert(image, target)
    except (UndecodableError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UndecodableError("damaged", _damage(error)) from None
    except Exception as error:  # a damaged file may raise anything in the depth of a decoder
        raise UndecodableError("damaged", _damage(error)) from None


def _damage(error: Exception) -> str:
    said = str(error).strip() or type(error).__name__
    return f"it is truncated or damaged ({said[:200]})."


def _reader_of(head: bytes) -> Callable[[IO[bytes]], ImageFile]:
    """Return the reader of a file by its first bytes."""
    signatures: tuple[tuple[bool, Any], ...] = (
        (head.startswith(b"\x89PNG\r\n\x1a\n"), PngImageFile),
        (head.startswith(b"\xff\xd8\xff"), JpegImageFile),
        (head[:4] == b"RIFF" and head[8:12] == b"WEBP", WebPImageFile),
        (head.startswith((b"GIF87a", b"GIF89a")), GifImageFile),
        (head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), TiffImageFile),
        (head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(), PpmImageFile),
        (head.startswith(b"BM"), BmpImageFile),
    )
    for matches, reader in signatures:
        if matches:
            found: Callable[[IO[bytes]], ImageFile] = reader
            return found
    raise UndecodableError("format", f"it is {_foreign_name(head)}; images are read from {', '.join(FORMATS)}.")


def _foreign_name(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _FOREIGN:
        if text.startswith(signature) or head.startswith(signature):
            return name
    if head[4:8] == b"ftyp":
        return "HEIC" if head[8:12] in (b"heic", b"heix", b"mif1", b"msf1") else "AVIF or a film"
    return "not an image that is known"


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UndecodableError(
            "too_large",
            f"it has {width} x {height} pixels, more than the {max_pixels} that are decoded (`max_pixels`).",
        )


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return (width, height) from the header of a WebP file, (0, 0) where it is damaged."""
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(head) >= 30:
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return 0, 0


def _convert(image: ImageFile, target: Target) -> np.ndarray:
    _check_size(image.size, target.max_pixels)
    size = target.size
    if size is not None and isinstance(image, JpegImageFile):
        longest = max(size)  # the orientation is not known yet
        image.draft(image.mode, (2 * longest, 2 * longest))
    image.load()  # a film gives its first picture
    orientation = _orientation(image)
    if size is not None and orientation >= 5:
        size = size[1], size[0]
    plain = _working_mode(image)
    if size is not None:
        plain = _resized(plain, size, target.resize)
    return _upright(np.asarray(_flattened(plain, target.channels)), orientation)


def _orientation(image: ImageFile) -> int:
    """Return the EXIF orientation, 1 to 8; a damaged EXIF block counts as none."""
    try:
        value = int(image.getexif().get(_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # whatever stands in the block, the picture itself is whole
        return 1
    return value if 1 <= value <= 8 else 1


def _working_mode(image: Image.Image) -> Image.Image:
    """Return the image in one of the modes that can be resized: L, RGB, RGBA or CMYK."""
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        values = np.asarray(image)
        return Image.fromarray((np.clip(values, 0, 65535).astype(np.uint16) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    if mode in _WORKING_MODES:
        return image
    if mode in ("I", "F"):
        raise UndecodableError("mode", f"its pixels are 32-bit numbers (mode {mode!r}); save it with 8 or 16 bits.")
    return image.convert("L" if mode == "1" else "RGB")


def _resized(image: Image.Image, size: tuple[int, int], how: str) -> Image.Image:
    """Resize with antialiasing to (height, width)."""
    height, width = size
    if image.size == (width, height):
        return image
    box = (0.0, 0.0, float(image.width), float(image.height))
    inner = (width, height)
    if how == "crop":
        scale = min(image.width / width, image.height / height)
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        box = (max(0.0, left), max(0.0, top), min(box[2], left + width * scale), min(box[3], top + height * scale))
    elif how == "pad":
        scale = max(image.width / width, image.height / height)
        inner = (max(1, round(image.width / scale)), max(1, round(image.height / scale)))
    resized = image.resize(inner, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    if inner == (width, height):
        return resized
    canvas = Image.new(image.mode, (width, height), (0, 0, 0, 255) if image.mode in ("RGBA", "CMYK") else 0)
    canvas.paste(resized, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _flattened(image: Image.Image, channels: int) -> Image.Image:
    """Lay a transparent image over white, and return grey levels or RGB."""
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, (255, 255, 255))
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    mode = "L" if channels == 1 else "RGB"
    if image.mode == "CMYK" and mode == "L":
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror as the EXIF orientation says, and return (height, width, channels) in one piece."""
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
