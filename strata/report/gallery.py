"""From what a user hands over to pictures and what each shows; every file that cannot be used is named at once."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from strata._files import sha256_of
from strata._names import label_text
from strata.data import ImageProblem, ImageSet, find_images, list_sets, load_images, load_set
from strata.errors import DataError

__all__ = ["Gallery", "are_pictures", "divided_folder", "read_gallery", "refusal"]

#: Folders that divide pictures already, in the order in which they are taken to test on.
TRAIN_PARTS, TEST_PARTS = ("train", "training"), ("test", "testing", "val", "valid", "validation")
#: Side of the thumbnails that baselines learn from and copies are looked for among; of small pictures and of others.
SMALL, LARGE = 32, 64
#: Files whose size is looked up to say how large the pictures are.
MAX_SIZES = 400
#: Of more bytes of large thumbnails small ones are made.
MAX_BYTES = 1 << 30
N_NAMED = 10


@dataclass
class Gallery:
    """Pictures that can be read, what each shows, and where they come from.

    Parameters
    ----------
    name : str
        What to call the data: the folder's name, the name of a bundled set, or "pictures".
    source : str
        Folder or set, for messages.
    digest : str
        SHA-256 of the names, contents and labels.
    names : list of str
        What each picture is called: its path in the folder, or its number.
    labels : ndarray of shape (n,) or None
        What each shows; None where nobody says.
    files : tuple of Path or None
        The files; None for pictures in memory.
    pixels : ndarray of shape (n, h, w) or (n, h, w, c), uint8, or None
        The pictures themselves; None for files.
    thumbnails : ndarray of shape (n, s, s, 3), uint8
        Each picture, stretched to a small square.
    digests : list of str
        Of the content of each picture; equal for copies.
    target : str, default="class"
        What the labels are called.
    test : Gallery or None, default=None
        The test part that comes with the pictures.
    refused : tuple of ImageProblem, default=()
        Files that cannot be read and were left out.
    sizes : tuple of tuple of int, default=()
        Different heights and widths of the pictures, of at most 400 of them.
    reading : dict of str to object
        How they were found: ``labels``, ``skip_damaged``.
    task : str, default="classification"
        What is predicted.
    """

    name: str
    source: str
    digest: str
    names: list[str]
    labels: np.ndarray | None
    files: tuple[Path, ...] | None
    pixels: np.ndarray | None = field(repr=False)
    thumbnails: np.ndarray = field(repr=False)
    digests: list[str] = field(repr=False)
    target: str = "class"
    test: "Gallery | None" = None
    refused: tuple[ImageProblem, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    reading: dict[str, Any] = field(default_factory=dict)
    task: str = "classification"

    def __len__(self) -> int:
        return len(self.names)

    def inputs(self, rows: np.ndarray | None = None) -> Any:
        """Return some of the pictures, or all, as an estimator takes them: a list of files, or an array."""
        if self.files is not None:
            return list(self.files) if rows is None else [self.files[int(row)] for row in rows]
        pixels = np.asarray(self.pixels)
        return pixels if rows is None else pixels[rows]

    def take(self, rows: np.ndarray) -> "Gallery":
        """Return a gallery of some of the pictures."""
        return replace(
            self,
            names=[self.names[int(row)] for row in rows],
            labels=None if self.labels is None else self.labels[rows],
            files=None if self.files is None else tuple(self.inputs(rows)),
            pixels=None if self.pixels is None else self.inputs(rows),
            thumbnails=self.thumbnails[rows],
            digests=[self.digests[int(row)] for row in rows],
            test=None,
        )

    @property
    def classes(self) -> list[Any]:
        """What the pictures show, sorted."""
        return [] if self.labels is None else np.unique(self.labels).tolist()

    @property
    def is_grey(self) -> bool:
        """Whether no thumbnail has a colour."""
        first = self.thumbnails[..., :1]
        return bool((self.thumbnails == first).all())

    def size_text(self) -> str:
        """Return how large the pictures are, for people."""
        if not self.sizes:
            return "unknown size"
        texts = [f"{width} × {height}" for height, width in sorted(self.sizes, key=lambda size: size[0] * size[1])]
        return f"{texts[0]} pixels" if len(texts) == 1 else f"{texts[0]} to {texts[-1]} pixels"


def are_pictures(data: object, model: str, networks: Sequence[str]) -> bool:
    """Return whether data is to be taken as pictures rather than as a table.

    Parameters
    ----------
    data : object
        What was handed over.
    model : str
        Name of the model; that of a network for pictures makes pictures of a bundled set or an array.
    networks : sequence of str
        Names of the networks for pictures.

    Returns
    -------
    answer : bool
        True for folders, image sets and lists of paths, and with such a model.

    Examples
    --------
    >>> are_pictures("iris", "mlp", ["lenet5"]), are_pictures("mnist", "lenet5", ["lenet5"])
    (False, True)
    """
    if isinstance(data, ImageSet) or model in networks:
        return True
    if isinstance(data, (str, os.PathLike)):
        return os.path.isdir(data)
    first = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    return isinstance(first, (list, tuple)) and len(first) > 0 and isinstance(first[0], (str, os.PathLike))


def read_gallery(
    data: object,
    *,
    labels: str | os.PathLike[str] | None = None,
    skip_damaged: bool = False,
    path: str | None = None,
    with_labels: bool = True,
    say: Callable[[str], None] | None = None,
) -> Gallery:
    """Find pictures, look at every one of them, and name those that cannot be used.

    Parameters
    ----------
    data : folder, file, list of files, ImageSet, name of a bundled set, or pair (X, y)
        A folder of class folders, a folder with ``labels.csv``, or one with such folders as ``train`` and ``test``.
    labels : path, optional
        Table of file names and labels, for a folder.
    skip_damaged : bool, default=False
        Leave out files that cannot be read, instead of refusing them all.
    path : str, optional
        Folder with the files of a set that is not in the cache.
    with_labels : bool, default=True
        Labels are needed. Without, every picture below a folder is taken, whatever the folder is called.
    say : callable, optional
        Takes lines of progress.

    Returns
    -------
    gallery : Gallery
        Every picture in it was decoded once.

    Raises
    ------
    DataError
        If there are no pictures or no labels, or files cannot be read and ``skip_damaged`` is False.
    ValueError
        If the arguments do not fit each other.
    """
    if isinstance(data, ImageSet):
        return _of_files(data, "pictures", skip_damaged, with_labels, say)
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], (str, os.PathLike)):
        return _of_pair(data, skip_damaged, say)
    if isinstance(data, (str, os.PathLike)) and not os.path.lexists(data):
        return _of_set(str(data), path)
    if isinstance(data, (list, tuple)):
        return _of_files(find_images([Path(each) for each in data]), "pictures", skip_damaged, with_labels, say)
    if not isinstance(data, (str, os.PathLike)):
        raise ValueError(
            "`data` must be a folder, a list of files, the name of a bundled set or a pair (X, y) for a network that "
            f"looks at pictures. Received: {type(data).__name__}."
        )
    folder = Path(os.fsdecode(os.fspath(data)))
    if not with_labels:
        return _of_files(find_images(folder, labels=False), _name_of(folder), skip_damaged, False, say)
    return _of_folder(folder, labels, skip_damaged, say)


def _name_of(folder: Path) -> str:
    return label_text(folder.resolve().name or "pictures")


def _of_folder(
    folder: Path, labels: str | os.PathLike[str] | None, skip_damaged: bool, say: Callable[[str], None] | None
) -> Gallery:
    parts = divided_folder(folder) if labels is None else None
    reading = {"labels": None if labels is None else os.fspath(labels), "skip_damaged": skip_damaged}
    if parts is None:
        found = find_images(folder, labels=labels)
        gallery = _of_files(found, _name_of(folder), skip_damaged, True, say)
    else:
        train, test = (find_images(part) for part in parts)
        gallery = _of_files(train, _name_of(folder), skip_damaged, True, say)
        gallery.test = _of_files(test, _name_of(folder), skip_damaged, True, say)
        unknown = sorted(set(gallery.test.classes) - set(gallery.classes), key=str)
        if unknown:
            raise DataError(
                f"{parts[1]}: the class {label_text(unknown[0])!r} is not among those of {parts[0].name}/. "
                "Give both parts the same class folders."
            )
        gallery.refused += gallery.test.refused
        both = hashlib.sha256(f"{gallery.digest} {gallery.test.digest}".encode())
        gallery.digest = f"sha256:{both.hexdigest()}"
    return replace(gallery, source=label_text(str(folder)), reading=_said(reading))


def _said(reading: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reading.items() if value not in (None, False)}


def divided_folder(folder: Path) -> tuple[Path, Path] | None:
    """Return the part to learn from and the part to test on of a folder that is divided already.

    Parameters
    ----------
    folder : Path
        With pictures.

    Returns
    -------
    parts : tuple of Path, or None
        ``train`` and ``test`` (or ``val`` and the like), where these two are all folders in it: a class may be called
        train.
    """
    inner = {each.name.lower(): each for each in folder.iterdir() if each.is_dir()} if folder.is_dir() else {}
    train = next((inner[name] for name in TRAIN_PARTS if name in inner), None)
    test = next((inner[name] for name in TEST_PARTS if name in inner), None)
    others = set(inner) - {*TRAIN_PARTS, *TEST_PARTS}
    return None if train is None or test is None or others else (train, test)


def _of_files(
    found: ImageSet, name: str, skip_damaged: bool, with_labels: bool, say: Callable[[str], None] | None
) -> Gallery:
    source = label_text(str(found.root)) if found.root is not None else f"{len(found.paths)} files"
    if with_labels and found.labels is None:
        raise DataError(
            f"{source}: nothing says what the pictures show. Put them into one folder a class, add a table labels.csv "
            "with the columns file and label, or name such a table with labels=... (--labels FILE)."
        )
    if with_labels and found.multi_label:
        raise DataError(
            f"{source}: some pictures have several labels, and the report is made for one label a picture. "
            "strata.ImageClassifier learns several."
        )
    if say is not None and len(found.paths) > 1000:
        say(f"looking at {len(found.paths):,} files")
    sizes = _sizes(found.paths)
    many = len(found.paths) * LARGE * LARGE * 3 > MAX_BYTES
    side = SMALL if many or not sizes or np.median([min(size) for size in sizes]) <= SMALL else LARGE
    loaded = load_images(found.paths, size=(side, side), channels=3, resize="stretch", on_problem="skip")
    if not isinstance(loaded.array, np.ndarray):
        raise DataError(f"{source}: {len(found.paths):,} pictures are more than can be looked at together.")
    if loaded.problems and not skip_damaged:
        raise DataError(f"{source}: {refusal(loaded.problems, len(found.paths), root=found.root)}")
    kept = [int(row) for row in loaded.kept]
    files = tuple(found.paths[row] for row in kept)
    labels = None if found.labels is None or not with_labels else np.asarray(found.labels)[loaded.kept]
    names = [_relative(file, found.root) for file in files]
    digests = [sha256_of(file) for file in files]
    gallery = Gallery(
        name, source, _digest(names, digests, labels), names, labels, files, None, loaded.array, digests,
        refused=tuple(loaded.problems), sizes=tuple(sorted(set(sizes))),
    )  # fmt: skip
    return _checked(gallery) if with_labels else gallery


def refusal(problems: Sequence[ImageProblem], n_files: int, *, root: Path | None = None) -> str:
    """Return one line that names the files that cannot be used, and the ways out.

    Parameters
    ----------
    problems : sequence of ImageProblem
        What is wrong with each.
    n_files : int
        Files that were looked at.
    root : Path, optional
        Folder to which they are named.

    Returns
    -------
    text : str
        The first ten of them, and how many more.
    """
    named = "; ".join(
        f"{_relative(each.path, root)}: {label_text(each.message).rstrip('.')}" for each in problems[:N_NAMED]
    )
    more = f"; and {len(problems) - N_NAMED} more" if len(problems) > N_NAMED else ""
    return (
        f"{len(problems)} of {n_files} files cannot be used: {named}{more}. "
        "Repair them or take them away, or leave them out with skip_damaged=True (--skip-damaged)."
    )


def _relative(path: Path, root: Path | None) -> str:
    try:
        return label_text(str(path if root is None else path.relative_to(root)))
    except ValueError:
        return label_text(str(path))


def _sizes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Return height and width of some files, evenly spread, from their headers."""
    sizes = []
    for row in np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MAX_SIZES)).round().astype(int)):
        try:
            with Image.open(paths[row]) as image:
                sizes.append((image.height, image.width))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            continue  # named when all files are decoded
    return sizes


def _digest(names: Sequence[str], digests: Sequence[str], labels: np.ndarray | None) -> str:
    total = hashlib.sha256()
    said = [""] * len(names) if labels is None else [str(label) for label in labels.tolist()]
    for words in sorted(zip(names, digests, said, strict=True)):
        total.update("\0".join(words).encode("utf-8", "backslashreplace") + b"\n")
    return f"sha256:{total.hexdigest()}"


def _of_pair(pair: tuple[Any, Any], skip_damaged: bool, say: Callable[[str], None] | None) -> Gallery:
    X, y = pair
    if isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], (str, os.PathLike)):
        return _of_files(find_images(list(X), labels=np.asarray(y)), "pictures", skip_damaged, True, say)
    return _checked(_of_arrays("pictures", "The pictures", np.asarray(X), np.asarray(y)))


def _of_set(name: str, path: str | None) -> Gallery:
    known = {entry.name for entry in list_sets()}
    if name not in known:
        raise DataError(f"{label_text(name)}: there is no such folder, and no bundled set of that name.")
    dataset = load_set(name, path=path)
    if dataset.image_shape is None:
        raise ValueError(
            f"`data` must be pictures for a network that looks at pictures. Received: data={name!r}, a table. "
            "Use model='mlp' (--model mlp)."
        )
    x, y, of = dataset.pictures(dataset.X), np.asarray(dataset.y), "" if dataset.X_test is None else "train "
    gallery = _of_arrays(name, name, x, y, target=dataset.target_name, of=of)
    if dataset.X_test is not None:
        tested = dataset.pictures(dataset.X_test)
        gallery.test = _of_arrays(name, name, tested, np.asarray(dataset.y_test), of="test ")
    return gallery


def _of_arrays(
    name: str, source: str, pixels: np.ndarray, labels: np.ndarray, *, target: str = "class", of: str = ""
) -> Gallery:
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in (1, 3)) or 0 in pixels.shape:
        raise ValueError(
            "`data` must hold pictures of shape (n, height, width), or (n, height, width, c) with c = 1 or 3. "
            f"Received: shape {pixels.shape}."
        )
    if labels.shape != (len(pixels),):
        raise ValueError(f"`data` must be a pair (X, y) of equal length. Received: {pixels.shape} and {labels.shape}.")
    pixels = np.ascontiguousarray(_as_bytes(pixels))
    digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pixels]
    names = [f"{of}{number}" for number in range(len(pixels))]
    height, width = pixels.shape[1:3]
    thumbnails = _thumbnails(pixels)
    return Gallery(
        name, source, _digest(names, digests, labels), names, labels, None, pixels, thumbnails, digests,
        target=target, sizes=((height, width),),
    )  # fmt: skip


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Return pixels from 0 to 255; of numbers up to 1, or up to another largest value, that is white."""
    if pixels.dtype == np.uint8:
        return pixels
    values = np.asarray(pixels, dtype=np.float64)
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("`data` must hold pixels that are finite and not negative. Received: others among them.")
    top = values.max()
    white = 1.0 if top <= 1 else 255.0 if top > 16 else 16.0
    return np.asarray(np.round(np.clip(values / white, 0, 1) * 255), dtype=np.uint8)


def _thumbnails(pixels: np.ndarray) -> np.ndarray:
    colour = pixels[..., None] if pixels.ndim == 3 else pixels
    colour = np.broadcast_to(colour, (*colour.shape[:3], 3)) if colour.shape[3] == 1 else colour
    height, width = colour.shape[1:3]
    side = SMALL if min(height, width) <= SMALL else LARGE
    if (height, width) == (side, side):
        return colour
    small = np.empty((len(colour), side, side, 3), dtype=np.uint8)
    for number, picture in enumerate(colour):
        resized = Image.fromarray(np.ascontiguousarray(picture)).resize((side, side), Image.Resampling.BILINEAR)
        small[number] = np.asarray(resized)
    return small


def _checked(gallery: Gallery) -> Gallery:
    if len(gallery) < 2:
        raise DataError(f"{gallery.source}: {len(gallery)} picture is not enough to learn from; at least 2 are needed.")
    if len(gallery.classes) < 2:
        only = label_text(gallery.classes[0])
        raise DataError(f"{gallery.source}: all pictures show one class ({only!r}); there is nothing to tell apart.")
    return gallery
