"""What a unit looks for: images that make it answer as strongly as possible.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013, arXiv:1312.6034, section 2. J.
Yosinski, J. Clune, A. Nguyen, T. Fuchs, H. Lipson, "Understanding Neural Networks Through Deep Visualization", 2015,
arXiv:1506.06579, section 3.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata._names import unknown_name
from strata.explain._network import ReachedError, capture, checked_images, checked_layer, examined, run, scores_of
from strata.explain._rectifiers import RectifierInputs

__all__ = ["Regularization", "maximize_activation"]

PLACES = ("mean", "center")


@dataclass(frozen=True)
class Regularization:
    r"""How an image is kept from becoming noise while it is being made.

    Parameters
    ----------
    l2 : float, default=1e-4
        Weight of :math:`\lVert x \rVert^2`, the mean over the values: keeps contrast low.
    blur : float, optional
        Standard deviation in pixels of a Gaussian blur; 0 for none. By default a 128th of the shorter side, at most
        0.5.
    blur_every : int, default=4
        Steps from one blur to the next.
    jitter : int, optional
        The image is shifted by up to as many pixels, another way at every step, so that no pixel pattern can be aimed
        at a place. By default a 16th of the shorter side, at most 16.
    clip_norm : float, default=0.0
        Share of the pixels, those with the smallest norm over the channels, that are set to zero after every blur.
    smoothness : float, default=1.0
        The spectrum of each step is divided by frequency to this power, as the spectra of photographs fall with
        frequency; 0 for the plain gradient.
    saturation : float, default=0.3
        Of each step the part that differs between the channels is multiplied by this, as colours of photographs differ
        less in hue than in lightness; 1 for the plain gradient.

    Notes
    -----
    L2, blur and clipping are those of Yosinski et al., section 3; the shift is usual since 2015. Dividing the
    spectrum is the same as ascending in Fourier coefficients that are scaled as those of photographs (C. Olah, A.
    Mordvintsev, L. Schubert, "Feature Visualization", Distill 2017).
    """

    l2: float = 1e-4
    blur: float | None = None
    blur_every: int = 4
    jitter: int | None = None
    clip_norm: float = 0.0
    smoothness: float = 1.0
    saturation: float = 0.3

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        for name in ("l2", "blur", "jitter", "smoothness", "saturation"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be 0 or more. Received: {name}={value!r}.")
        if self.blur_every < 1:
            raise ValueError(f"`blur_every` must be at least 1. Received: blur_every={self.blur_every!r}.")
        if not 0 <= self.clip_norm < 1:
            raise ValueError(f"`clip_norm` must be a share from 0 to below 1. Received: clip_norm={self.clip_norm!r}.")


def maximize_activation(
    network: nn.Module,
    layer: str | None,
    unit: int | Sequence[int],
    *,
    shape: tuple[int, int, int],
    place: str = "mean",
    n_steps: int = 200,
    step_size: float = 0.05,
    regularization: Regularization | None = None,
    start: Tensor | None = None,
    low: Tensor | float | None = None,
    high: Tensor | float | None = None,
    random_state: int = 0,
) -> Tensor:
    r"""Make images to which units of a layer answer as strongly as possible.

    Parameters
    ----------
    network : Module
        Any. It is left as it was found.
    layer : str or None
        Dotted name of a layer; None for the scores of the classes (the class model).
    unit : int or sequence of int
        Channels of its maps, outputs of a dense layer, or classes; one image each.
    shape : tuple of (c, h, w)
        Of the images.
    place : {"mean", "center"}, default="mean"
        Of a map, the mean over all places (textures fill the image) or the place in the middle (one pattern).
    n_steps : int, default=200
        Steps of gradient ascent.
    step_size : float, default=0.05
        Root mean square of the first steps, in units of the input; it falls to a tenth along a cosine.
    regularization : Regularization, optional
        What keeps the image from becoming noise; by default as :class:`Regularization` says.
    start : Tensor of shape (c, h, w), optional
        Where to begin; by default noise around zero, which is the mean image where inputs are standardized.
    low : float or Tensor that fits the shape, optional
        Smallest values that an image can have, as the network takes it.
    high : float or Tensor that fits the shape, optional
        Largest values.
    random_state : int, default=0
        Seed of noise and shifts.

    Returns
    -------
    images : Tensor of shape (k, c, h, w)
        One for each unit, as the network takes them.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a layer, unit or place is unknown, a number is out of its range, or an image does not fit the network.

    Notes
    -----
    Simonyan et al., Eq. 1, with the score before softmax, or any activation, as :math:`S`:

    .. math:: \arg\max_I S(I) - \lambda \lVert I \rVert_2^2

    The gradient of each image is divided by its root mean square, so that one ``step_size`` serves all layers. Where a
    layer ends in a rectifier, what goes into it is driven up where it is positive, and everywhere when it is positive
    nowhere: a unit that is silent, or at the bound of a ReLU6, has no slope of its own.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    >>> images = maximize_activation(network, None, [0, 1], shape=(1, 4, 4), n_steps=20)
    >>> network(images).diagonal().gt(network(torch.zeros(2, 1, 4, 4)).diagonal()).tolist()
    [True, True]
    """
    if place not in PLACES:
        raise ValueError(unknown_name("place", place, PLACES))
    if n_steps < 1:
        raise ValueError(f"`n_steps` must be at least 1. Received: n_steps={n_steps}.")
    if not 0 < step_size < math.inf:
        raise ValueError(f"`step_size` must be above 0. Received: step_size={step_size}.")
    units = list(unit) if isinstance(unit, Sequence) else [unit]
    if not units or not all(isinstance(each, int) and not isinstance(each, bool) for each in units):
        raise TypeError(f"`unit` must be the number of a channel, or a list of them. Received: {unit!r}.")
    keep = regularization or Regularization()
    generator = torch.Generator().manual_seed(random_state)
    with examined(network) as looked_at:
        name = None if layer is None else checked_layer(looked_at, layer)
        noise = 0.1 * torch.randn(len(units), *shape, generator=generator)
        first = noise if start is None else start.expand(len(units), *shape)
        x = checked_images(first, looked_at, name="start").clone()
        answers = _Answers(looked_at, name, units, place)
        frequency = _frequency(x, keep.smoothness)
        side = min(x.shape[2:])
        blur = min(0.35, side / 128) if keep.blur is None else keep.blur
        jitter = min(16, side // 16) if keep.jitter is None else keep.jitter
        for step in range(n_steps):
            shift = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
            x = torch.roll(x, shift, (2, 3))
            gradient = answers.steepest(x) - 2 * keep.l2 * x
            grey = gradient.mean(1, keepdim=True)
            gradient = grey + keep.saturation * (gradient - grey)
            if frequency is not None:
                gradient = torch.fft.irfft2(torch.fft.rfft2(gradient) * frequency, s=x.shape[2:])
            scale = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
            rate = step_size * (0.1 + 0.9 * (1 + math.cos(math.pi * step / n_steps)) / 2)
            x = torch.roll(x + rate * gradient / scale.clamp(min=1e-12), [-s for s in shift], (2, 3))
            if (step + 1) % keep.blur_every == 0 and step + 1 < n_steps:
                x = _without_small_norms(_blurred(x, blur), keep.clip_norm)
            x = _between(x, low, high)
        return x


class _Answers:
    """How strongly some units of a network answer to an image each, and which way they answer more."""

    def __init__(self, network: nn.Module, layer: str | None, units: list[int], place: str) -> None:
        self.network, self.layer, self.units, self.place = network, layer, units, place
        self.n_runs: int | None = None  # of the layer in one pass; what comes after the last one is left out
        self.rectified = False  # whether the layer ends in a rectifier

    def steepest(self, x: Tensor) -> Tensor:
        """Return the gradient of each image's unit by the image, (n, c, h, w)."""
        leaf = x.clone().requires_grad_()
        with torch.enable_grad():
            chosen = self._answers(leaf * 1.0)[range(len(self.units)), self.units]
            if chosen.ndim == 3:
                chosen = self._at_place(chosen)
            return torch.autograd.grad(chosen.sum(), leaf, materialize_grads=True)[0]

    def _at_place(self, maps: Tensor) -> Tensor:
        """Return one number an image from maps (n, h, w)."""
        if self.place == "center":
            return maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
        flat = maps.flatten(1)
        if not self.rectified:
            return flat.mean(1)
        return torch.where((flat > 0).any(1), flat.relu().mean(1), flat.mean(1))

    def _answers(self, x: Tensor) -> Tensor:
        answers = scores_of(self.network, x) if self.layer is None else self._outputs(x, self.layer)
        if answers is None or answers.ndim not in (2, 4):
            shape = "no tensor" if answers is None else f"shape {tuple(answers.shape)}"
            raise ValueError(f"`layer` must give (n, units) or maps (n, c, h, w). Received: {self.layer!r}, {shape}.")
        if max(self.units) >= answers.shape[1] or min(self.units) < 0:
            raise ValueError(f"`unit` must be from 0 to {answers.shape[1] - 1}. Received: {self.units}.")
        return answers

    def _outputs(self, x: Tensor, layer: str) -> Tensor | None:
        """Return what the layer gives; where it ends in a rectifier, what goes into that: it has a slope everywhere."""
        with (
            RectifierInputs() as rectified,
            capture(self.network, [layer], stop_at=self.n_runs) as outputs,
            suppress(ReachedError),
        ):
            try:
                run(self.network, x)
            except ValueError:  # later layers may want another size
                if layer not in outputs:
                    raise
        self.n_runs = outputs.n_kept or None
        output = outputs.get(layer)
        if output is None:
            return None
        before: Tensor = rectified.before(output)
        self.rectified = before is not output
        return before


def _frequency(x: Tensor, power: float) -> Tensor | None:
    """Return by what a spectrum is multiplied: frequency to a negative power, 1 at the lowest one."""
    if power == 0:
        return None
    h, w = x.shape[2:]
    vertical, horizontal = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None, :]
    lowest = 1 / max(h, w)
    frequency: Tensor = (vertical.square() + horizontal.square()).sqrt().clamp(min=lowest) / lowest
    return frequency.pow(-power).to(x.device, x.dtype)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian of a standard deviation in pixels; edges are repeated."""
    if sigma == 0:
        return x
    radius = max(1, min(math.ceil(3 * sigma), *(size - 1 for size in x.shape[2:])))
    at = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-at.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    x = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    x = F.conv2d(x, kernel[:, :, None, :], groups=x.shape[1])
    return F.conv2d(x, kernel[:, :, :, None], groups=x.shape[1])


def _without_small_norms(x: Tensor, share: float) -> Tensor:
    """Set the pixels of smallest norm over the channels to zero."""
    if share == 0:
        return x
    norm = x.norm(dim=1, keepdim=True)
    limit = norm.flatten(1).quantile(share, dim=1)[:, None, None, None]
    return torch.where(norm < limit, 0.0, x)


def _between(x: Tensor, low: Tensor | float | None, high: Tensor | float | None) -> Tensor:
    bounds = [None if end is None else torch.as_tensor(end, device=x.device, dtype=x.dtype) for end in (low, high)]
    return x if bounds == [None, None] else x.clamp(bounds[0], bounds[1])
