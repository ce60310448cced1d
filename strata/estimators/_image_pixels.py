"""Images of the user's on their way to a network: which network, which size, and the pixels of that size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from torch import nn

from strata.data import ImageFiles, ImageProblem, ImageSet, find_images, load_images, read_image
from strata.data.image_arrays import resize_images, to_channels
from strata.errors import DataError
from strata.estimators._image_defaults import BOUNDED_SIDE, PHOTO_SIDE, auto_model, file_size
from strata.estimators._image_inputs import ArrayImages, array_images, is_files
from strata.estimators._image_network import adapt_size, named_for, takes, trial_of
from strata.models import model_info

__all__ = ["Loaded", "Origin", "Pictures", "Pixels", "chosen_channels", "chosen_model", "chosen_size"]

#: Files that are looked at to find out how large the images of a folder are.
_LOOKED_AT = 9


#: Images (n, h, w, c): in memory, in a memory map, or decoded from their files when they are wanted.
Pixels: TypeAlias = np.ndarray | ImageFiles


class Origin(Enum):
    """Where images are."""

    ARRAY = "array"
    FILES = "files"


class Loaded(NamedTuple):
    """Pixels of each part, the rows that could be read (None: all), and what could not."""

    pixels: list[Pixels]
    kept: list[np.ndarray | None]
    problems: tuple[ImageProblem, ...]


@dataclass(frozen=True)
class Pictures:
    """Images, in memory or named, that were checked but not brought to a size yet.

    ``shape`` is (h, w, channels) of images in memory, and None of files, which have sizes of their own.
    """

    origin: Origin
    images: ArrayImages | None = None
    files: tuple[Path, ...] = ()
    label_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, estimator: Any, X: Any, y: Any, *, reset: bool, labelled: bool = True) -> tuple[Pictures, Any]:
        """Check ``X``, and return it with its labels: those given, or those of its folder if it is to be ``labelled``.

        With ``reset`` the estimator learns what the images are like; otherwise they must be like that.
        """
        if is_files(X):
            return cls._named(X, y, estimator, reset=reset, labelled=labelled)
        fitted = None if reset else getattr(estimator, "input_shape_", None)
        images = array_images(estimator, X, reset=reset, fitted_shape=fitted)
        if reset:
            estimator.input_shape_ = (*images.size, images.n_channels)
        return cls(Origin.ARRAY, images), y

    @classmethod
    def _named(cls, X: Any, y: Any, estimator: Any, *, reset: bool, labelled: bool) -> tuple[Pictures, Any]:
        if isinstance(X, ImageSet):
            found = X
        elif isinstance(X, (str, Path)) or hasattr(X, "__fspath__"):
            found = find_images(X, labels=None if labelled else False)
            if y is not None and found.root is not None:
                raise ValueError(
                    "`y` must be None for a folder, whose order of files is not yours. Received: y with a folder. "
                    "Give a list of paths with `y`, or put the labels into labels.csv."
                )
        else:
            paths = np.asarray(X, dtype=object).tolist() if hasattr(X, "to_numpy") else list(X)
            wrong = [each for each in paths if not isinstance(each, str) and not hasattr(each, "__fspath__")]
            if wrong:
                raise TypeError(
                    f"`X` must hold paths only, or numbers only. Received: {type(wrong[0]).__name__} among paths."
                )
            found = find_images(paths)
        if reset:
            estimator.input_shape_ = None
        names = found.classes if y is None and found.multi_label else ()
        return cls(Origin.FILES, files=tuple(found.paths), label_names=names), found.labels if y is None else y

    def __len__(self) -> int:
        return len(self.files) if self.images is None else len(self.images.pixels)

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Height, width and channels of images in memory."""
        return None if self.images is None else (*self.images.size, self.images.n_channels)

    def take(self, rows: np.ndarray) -> Pictures:
        """Return some of the images."""
        if self.images is not None:
            return replace(self, images=ArrayImages(self.images.pixels[rows]))
        return replace(self, files=tuple(self.files[row] for row in rows))

    def sizes(self) -> list[tuple[int, int]]:
        """Return height and width of the images, of files those of a few; none where none of these can be read."""
        if self.images is not None:
            return [self.images.size]
        sizes = []
        for place in np.unique(np.linspace(0, len(self.files) - 1, _LOOKED_AT).astype(int)):
            try:
                image = read_image(self.files[place])
            except DataError:
                continue  # told with all others when they are loaded
            sizes.append((int(image.shape[0]), int(image.shape[1])))
        return sizes

    @staticmethod
    def load(
        parts: list[Pictures], estimator: Any, *, size: tuple[int, int], n_channels: int, strict: bool = False
    ) -> Loaded:
        """Return the pixels of one or more parts, each (n, h, w, n_channels), in the order of their images.

        Raises
        ------
        DataError
            If files cannot be read, all of them named; unless the estimator skips them and ``strict`` is False.
        """
        loaded: list[Pixels | None] = [_memory(part, size, n_channels) for part in parts]
        named = [number for number, part in enumerate(parts) if part.images is None]
        if not named:
            return Loaded([pixels for pixels in loaded if pixels is not None], [None] * len(parts), ())
        files = [path for number in named for path in parts[number].files]
        options = _options(estimator, strict=strict) | {"size": size, "channels": n_channels}
        result = load_images(files, **options)
        kept: list[np.ndarray | None] = [None] * len(parts)
        begin = 0
        for number in named:
            end = begin + len(parts[number].files)
            mine = slice(int(np.searchsorted(result.kept, begin)), int(np.searchsorted(result.kept, end)))
            loaded[number] = _part(result.array, mine, options)
            kept[number] = result.kept[mine] - begin
            begin = end
        return Loaded([pixels for pixels in loaded if pixels is not None], kept, tuple(result.problems))


def _part(pixels: Pixels, rows: slice, options: dict[str, Any]) -> Pixels:
    """Return some of the images that were loaded, or some of the files that they stay in."""
    if isinstance(pixels, np.ndarray):
        return pixels[rows]
    how = {name: options[name] for name in ("size", "channels", "resize", "n_workers") if name in options}
    return ImageFiles(pixels.paths[rows], **how)


def _memory(part: Pictures, size: tuple[int, int], n_channels: int) -> np.ndarray | None:
    return None if part.images is None else to_channels(resize_images(part.images.pixels, size), n_channels)


def _options(estimator: Any, *, strict: bool) -> dict[str, Any]:
    """Return how files are read, as the arguments of an estimator say."""
    wishes = {name: getattr(estimator, name) for name in ("n_workers", "memory_limit", "cache_folder")}
    options = {name: value for name, value in wishes.items() if value is not None}
    return options | {"resize": estimator.resize, "on_problem": "raise" if strict else estimator.on_problem}


def chosen_model(estimator: Any, pictures: Pictures) -> str | nn.Module:
    """Return the name of the network, or the module, that is to learn."""
    model: str | nn.Module = estimator.model
    if model != "auto":
        return model
    if estimator.weights is not None:
        return named_for(estimator.weights)
    sizes = pictures.sizes() or [(PHOTO_SIDE, PHOTO_SIDE)]
    middle = sorted(sizes, key=max)[len(sizes) // 2]
    n_channels = 3 if pictures.images is None else pictures.images.n_channels
    return auto_model(middle, n_channels, len(pictures))


def _wanted_by(module: nn.Module) -> int | None:
    """Return the channels that the first convolution of a module takes."""
    first = next((each for each in module.modules() if isinstance(each, nn.Conv2d)), None)
    return None if first is None else int(first.in_channels)


def chosen_channels(estimator: Any, model: str | nn.Module, pictures: Pictures) -> int:
    """Return how many channels the images have when they reach the network."""
    own = None if pictures.images is None else pictures.images.n_channels
    if estimator.channels is not None:
        return int(estimator.channels)
    if isinstance(model, nn.Module):
        return _wanted_by(model) or own or 3
    if estimator.weights is not None or own is None:
        return int(model_info(model).in_channels)
    return own


def chosen_size(estimator: Any, model: str | nn.Module, pictures: Pictures, in_channels: int) -> tuple[int, int]:
    """Return height and width that the images have when they reach the network."""
    wanted = estimator.image_size
    if wanted is not None:
        size = (int(wanted), int(wanted)) if isinstance(wanted, (int, np.integer)) else _sides(wanted)
        if isinstance(model, str):
            _refuse_small(model, in_channels, size, estimator.model_options)
        return size
    if pictures.images is not None:
        return _size_of_arrays(estimator, model, pictures.images.size, in_channels)
    sizes = pictures.sizes()
    if isinstance(model, nn.Module):
        if len(set(sizes)) != 1:
            raise ValueError(
                "`image_size` must be given with a module of your own and files of several sizes. "
                "Received: image_size=None."
            )
        return sizes[0]
    info = model_info(model)
    bound = BOUNDED_SIDE if estimator.model == "auto" and info.input_size > BOUNDED_SIDE else info.input_size
    chosen = file_size(sizes or [(bound, bound)], min_size=info.min_size, input_size=bound)
    return adapt_size(model, in_channels, chosen, estimator.model_options)


def _size_of_arrays(estimator: Any, model: str | nn.Module, size: tuple[int, int], in_channels: int) -> tuple[int, int]:
    if isinstance(model, nn.Module):
        return size
    if estimator.model == "auto" and max(size) > PHOTO_SIDE:
        bound = PHOTO_SIDE if model_info(model).input_size <= PHOTO_SIDE else BOUNDED_SIDE
        if min(size) > bound:
            size = round(size[0] * bound / min(size)), round(size[1] * bound / min(size))
    return adapt_size(model, in_channels, size, estimator.model_options)


def _sides(wanted: Any) -> tuple[int, int]:
    sides = tuple(wanted)
    whole = all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0 for side in sides)
    if len(sides) != 2 or not whole:
        raise ValueError(
            f"`image_size` must be a side, or a height and a width, in pixels. Received: image_size={wanted!r}."
        )
    return int(sides[0]), int(sides[1])


def _refuse_small(model: str, in_channels: int, size: tuple[int, int], options: Mapping[str, Any] | None) -> None:
    if not takes(trial_of(model, in_channels, options), in_channels, size):
        raise ValueError(
            f"`image_size` must be one that {model!r} takes, {model_info(model).min_size} pixels at least. "
            f"Received: image_size={size}."
        )
