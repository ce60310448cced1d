"""Transforms of kornia and torchvision, and functions, as steps; with their random numbers kept apart."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from strata.data._augment_steps import Step
from strata.data.sources import Batch

__all__ = ["Foreign", "KORNIA", "of_kornia"]

#: Transforms of kornia by our names: class in ``kornia.augmentation``, and the options it gets when none are given.
KORNIA: dict[str, tuple[str, dict[str, Any]]] = {
    "affine": ("RandomAffine", {"degrees": 10.0, "translate": (0.1, 0.1), "scale": (0.9, 1.1), "shear": 5.0, "p": 1.0}),
    "blur": ("RandomGaussianBlur", {"kernel_size": (3, 3), "sigma": (0.1, 2.0), "p": 0.5}),
    "equalize": ("RandomEqualize", {"p": 0.2}),
    "perspective": ("RandomPerspective", {"distortion_scale": 0.3, "p": 0.5}),
    "posterize": ("RandomPosterize", {"bits": 4, "p": 0.2}),
    "sharpness": ("RandomSharpness", {"sharpness": 1.0, "p": 0.5}),
    "solarize": ("RandomSolarize", {"p": 0.2}),
}


class Foreign(Step):
    """A callable on a batch of images, or, for transforms of torchvision, on one image at a time.

    Parameters
    ----------
    function : callable
        Takes images (N, C, H, W) on the scale 0..1 and returns such images. Transforms of torchvision draw one set of
        numbers for a whole batch, so they are given each image by itself; its ``MixUp`` and ``CutMix`` get the batch
        and the targets.
    """

    is_foreign: ClassVar[bool] = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        module, name = type(function).__module__, type(function).__name__
        of_torchvision = module.startswith("torchvision.")
        self.mixes = of_torchvision and name in ("MixUp", "CutMix")  # type: ignore[misc]
        self._one_by_one = of_torchvision and not self.mixes
        if module.startswith("kornia.") and any(
            "MixAugmentationBase" in base.__name__ for base in type(function).__mro__
        ):
            raise ValueError(
                f"Mixing by kornia's {name} gives targets that no loss here takes. Use 'mixup' or 'cutmix' instead."
            )

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Call the function with the global generators seeded, and put these back."""
        with _seeded(int(generator.integers(0, 2**63)), batch.x.device), torch.no_grad():
            if self.mixes:
                x, y = self.function(batch.x, batch.y)
                return batch._replace(x=self._checked(x, batch), y=y)
            if self._one_by_one:
                images = [self.function(image) for image in batch.x]
                return batch._replace(x=self._checked(torch.stack(images), batch))
            x = self.function(batch.x)
        if isinstance(x, (tuple, list)) and len(x) == 1:
            x = x[0]
        return batch._replace(x=self._checked(x, batch))

    def _checked(self, x: Any, batch: Batch) -> Tensor:
        n, channels = batch.x.shape[:2]
        if not isinstance(x, Tensor) or x.ndim != 4 or tuple(x.shape[:2]) != (n, channels) or not x.is_floating_point():
            got = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"`augment` must return floating images of shape ({n}, {channels}, H, W). "
                f"Received: {got} from {self!r}."
            )
        return x.as_subclass(Tensor).float()

    def __repr__(self) -> str:
        said = repr(self.function)
        if " at 0x" in said:  # an address says nothing to a run that is resumed in another process
            kind = type(self.function) if not hasattr(self.function, "__qualname__") else self.function
            said = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"
        return f"Foreign({said})"


def of_kornia(name: str, options: Mapping[str, Any]) -> Foreign:
    """Return a transform of kornia by its name in :data:`KORNIA`."""
    kind, defaults = KORNIA[name]
    transforms = import_module("kornia.augmentation")  # a fifth of a second, for those who want one of them only
    try:
        return Foreign(getattr(transforms, kind)(**{**defaults, **options}))
    except Exception as error:
        raise ValueError(f"`augment` asks for {name!r} with options that kornia's {kind} refuses: {error}") from None


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python, and put them back at the end."""
    on_host, of_numpy, of_python = torch.get_rng_state(), np.random.get_state(), random.getstate()
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        if on_device is not None:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(on_host)
        np.random.set_state(of_numpy)
        random.setstate(of_python)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, device)
