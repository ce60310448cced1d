"""Model folders as zip files: written whole, and taken apart with every entry checked."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

from strata.errors import ModelRefusedError
from strata.playground.limits import LIMITS

__all__ = ["NAMES", "pack_folder", "unpack_folder"]

#: The files of a model folder; nothing else is taken.
NAMES = ("README.md", "config.json", "weights.safetensors")
_MAX_RATIO = 200
_FREE_BYTES = 1 << 20
_CHUNK = 1 << 16


def pack_folder(folder: Path) -> bytes:
    """Return a model folder as a zip.

    Parameters
    ----------
    folder : Path
        As ``save`` wrote it.

    Returns
    -------
    archive : bytes
        Every file under ``model/``.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            if (folder / name).is_file():
                archive.write(folder / name, f"model/{name}")
    return buffer.getvalue()


def unpack_folder(path: Path, folder: Path) -> None:
    """Write the files of a zipped model into an empty folder.

    Parameters
    ----------
    path : Path
        The zip.
    folder : Path
        Where to; only the names of :data:`NAMES` are ever written there.

    Raises
    ------
    ModelRefusedError
        If it is no zip, an entry is anything but one of the three files (at the top or in one folder), is there twice,
        is a link, is encrypted, or is larger than it says or than is allowed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked(archive.infolist())
            for name, entry in entries.items():
                _write(archive, entry, folder / name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelRefusedError(f"The file is refused: it is not a readable zip ({what}).") from None


def _checked(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > 2 * len(NAMES):
        raise ModelRefusedError(f"The file is refused: it holds {len(entries)} entries instead of {len(NAMES)}.")
    found: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    total = 0
    for entry in entries:
        if entry.is_dir() and entry.filename.count("/") == 1:
            folders.add(entry.filename)
            continue
        parent, slash, name = entry.filename.rpartition("/")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if (
            name not in NAMES
            or "/" in parent
            or "\\" in entry.filename
            or parent in (".", "..")
            or (slash and not parent)
        ):
            raise ModelRefusedError(f"The file is refused: {entry.filename[:60]!r} is no file of a model folder.")
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1:
            raise ModelRefusedError(f"The file is refused: {name!r} is not a plain file.")
        folders.add(parent + slash)
        total += entry.file_size
        if name in found or len(folders) > 1:
            raise ModelRefusedError(f"The file is refused: {name!r} is there twice, or in another folder.")
        if total > LIMITS.model or entry.file_size > max(_FREE_BYTES, _MAX_RATIO * entry.compress_size):
            raise ModelRefusedError(f"The file is refused: {name!r} would take {entry.file_size} bytes.")
        found[name] = entry
    return found


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Copy one entry, and stop where it is longer than it says."""
    written = 0
    with archive.open(entry) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > entry.file_size:
                raise ModelRefusedError(f"The file is refused: {target.name!r} is longer than it says.")
            file.write(chunk)
