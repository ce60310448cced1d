"""Finding image files and their labels: class folders, a folder with a table of labels, or a list of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from strata.data._label_table import read_label_table
from strata.errors import DataError

__all__ = ["ImageSet", "find_images"]

#: Endings of files that are taken for images; those of formats that are not read are reported when they are loaded.
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".webp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".ico", ".psd", ".tga"),
)
LABEL_FILE = "labels.csv"
_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx"})

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Image files and their labels; nothing is read yet.

    Attributes
    ----------
    paths : tuple of Path
        The files, sorted by class and name, or in the order of the table or list.
    labels : ndarray of shape (N,) or (N, L) or None
        Class names; for several labels an image a table of 0 and 1 (int8), one column a class; None without labels.
    classes : tuple of str
        Sorted names of the classes; columns keep the order of the table. Empty without labels.
    root : Path or None
        The folder, when there was one.
    multi_label : bool
        Whether an image may have several labels, or none.
    ignored : tuple of Path
        Files in the folder that do not look like images, and were left out.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    root: Path | None
    multi_label: bool
    ignored: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)


def find_images(
    source: PathLike | Sequence[PathLike],
    *,
    labels: PathLike | Sequence[Any] | np.ndarray | Literal[False] | None = None,
) -> ImageSet:
    """Find image files and their labels.

    Parameters
    ----------
    source : str, path or sequence of paths
        A folder with one folder of images for each class (with further folders inside, if any); a folder of images
        with a table ``labels.csv``; a folder of images without labels; one file; or a list of files.
    labels : path, sequence of N labels, False or None, default=None
        A table for the folder, or labels for a list of files. None looks for ``labels.csv`` and then for class
        folders. False leaves labels out and takes every image below the folder, as for a prediction.

    Returns
    -------
    images : ImageSet
        The same folder gives the same order on every machine.

    Raises
    ------
    DataError
        If there are no images; only one class; an empty class folder; images beside class folders; a table that is
        wrong, names a file twice, one that is absent or one outside the folder, or leaves out files of the folder.
    ValueError
        If ``labels`` does not have one label for each path.

    See Also
    --------
    load_images : Decode and resize them.

    Notes
    -----
    Hidden files, ``Thumbs.db`` and the like are not seen. Files are chosen by the ending of their name; other files are
    listed in ``ignored``. Links to files and folders are followed, each folder once; a table of labels, however, cannot
    name anything outside its folder, by ``..``, by an absolute path or through a link.

    The table has a header, one column with the name of the file relative to the folder (called file, filename, path or
    image, or the one column whose values are all names of files), and either one column with the label (with values
    joined by ``|`` where an image has several), or several columns of 0 and 1, one a label.

    Examples
    --------
    >>> find_images(["cat.png", "dog.png"], labels=["cat", "dog"]).classes
    ('cat', 'dog')
    """
    if not isinstance(source, (str, os.PathLike)):
        return _from_list(source, labels)
    path = Path(os.path.expanduser(source))
    if os.path.isfile(path):
        return ImageSet((path,), None, (), None, False)
    if not os.path.isdir(path):
        raise DataError(f"{path}: there is no such folder or file.")
    if labels is False:
        files = _Files(path, path)
        return ImageSet(_some(files.images, path), None, (), path, False, tuple(files.others))
    if labels is not None and not isinstance(labels, (str, os.PathLike)):
        raise ValueError(
            "`labels` must be a table for a folder: the order of its files is not the caller's. "
            "Received: a sequence. Pass a list of paths with it."
        )
    table = Path(labels) if labels is not None else path / LABEL_FILE
    if labels is not None or table.is_file():
        return _from_table(path, table)
    return _from_folders(path)


def _from_list(source: Sequence[PathLike], labels: Any) -> ImageSet:
    paths = tuple(Path(path) for path in source)
    if not paths:
        raise DataError("`source` must have at least one path. Received: an empty list.")
    if labels is None or labels is False:
        return ImageSet(paths, None, (), None, False)
    if isinstance(labels, (str, os.PathLike)):
        raise ValueError(
            "`labels` must be one label for each path of a list. Received: a path. Pass the folder with it."
        )
    values = np.asarray(labels)
    if values.ndim not in (1, 2) or len(values) != len(paths):
        raise ValueError(
            f"`labels` must have one label for each of the {len(paths)} paths. Received: shape {values.shape}."
        )
    if values.ndim == 2:
        return ImageSet(paths, values, tuple(str(number) for number in range(values.shape[1])), None, True)
    return ImageSet(paths, values, tuple(str(name) for name in np.unique(values)), None, False)


def _from_table(root: Path, table: Path) -> ImageSet:
    files = _Files(root, root)
    names, labels, classes, multi_label = read_label_table(table, root)
    listed = {Path(os.path.normpath(root / name)) for name in names}
    forgotten = [path for path in files.images if path not in listed]
    if forgotten:
        raise DataError(
            f"{table}: no row for {_count(len(forgotten), 'image')} of the folder: {_first(forgotten, root)}. "
            "Give every image a row, or move the others away."
        )
    others = tuple(path for path in files.others if path != table)
    return ImageSet(tuple(root / name for name in names), labels, classes, root, multi_label, others)


def _from_folders(root: Path) -> ImageSet:
    flat, folders = _entries(root)
    images = [path for path in flat if _looks_like_an_image(path)]
    others = [path for path in flat if not _looks_like_an_image(path)]
    if not folders:
        return ImageSet(_some(images, root), None, (), root, False, tuple(others))
    if images:
        raise DataError(
            f"{root}: {_count(len(images), 'image')} ({_first(images, root)}) beside "
            f"{_count(len(folders), 'class folder')} ({_first(folders, root)}). Move each image into the folder of its "
            f"class, or add a table {LABEL_FILE}."
        )
    found = [(folder.name, _Files(folder, root)) for folder in folders]
    empty = [root / name for name, files in found if not files.images]
    if len(empty) == len(found):
        raise DataError(f"{root}: there are no images in it. Images are known by their ending: .png, .jpg and so on.")
    if empty:
        raise DataError(f"{root}: no images in {_first(empty, root)}. Remove the empty class folders, or fill them.")
    if len(found) == 1:
        raise DataError(
            f"{root}: only one class folder, {found[0][0]!r}; telling classes apart takes two or more. "
            "Is this the folder above or below the one that holds the classes?"
        )
    foreign = [name for name, _ in found if not _is_text(name)]
    if foreign:
        raise DataError(f"{root}: the name of the class folder {foreign[0]!a} is not UTF-8. Rename it.")
    names = [name for name, files in found for _ in files.images]
    paths = tuple(path for _, files in found for path in files.images)
    others += [path for _, files in found for path in files.others]
    return ImageSet(paths, np.asarray(names), tuple(name for name, _ in found), root, False, tuple(others))


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # bytes of the system that are no characters
        return False
    return True


class _Files:
    """The images and the other files below a folder, sorted by name at each level."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.images: list[Path] = []
        self.others: list[Path] = []
        for path in _walk(folder, {_identity(root)}):
            (self.images if _looks_like_an_image(path) else self.others).append(path)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    files, folders = _entries(folder)
    yield from files
    for inner in folders:
        identity = _identity(inner)
        if identity not in seen:  # a link may lead back up
            seen.add(identity)
            yield from _walk(inner, seen)


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files and the folders in a folder, sorted, without hidden ones; a dangling link is a file."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{folder}: it cannot be listed ({error.strerror}).") from None
    paths = [folder / name for name in names if not name.startswith(".") and name.lower() not in _CLUTTER]
    return [path for path in paths if not path.is_dir()], [path for path in paths if path.is_dir()]


def _looks_like_an_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _some(images: Sequence[Path], root: Path) -> tuple[Path, ...]:
    if not images:
        raise DataError(f"{root}: there are no images in it. Images are known by their ending: .png, .jpg and so on.")
    return tuple(images)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _first(paths: Sequence[Path], root: Path, *, n: int = 5) -> str:
    names = ", ".join(str(path.relative_to(root)) for path in paths[:n])
    return names if len(paths) <= n else f"{names} and {len(paths) - n} more"
