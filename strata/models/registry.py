"""The register of networks: a decorator on a builder is all that a network needs to be listed, built and tested."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from strata._names import unknown_name

__all__ = ["Blocks", "Builder", "ModelInfo", "list_models", "model_info", "register_model"]

#: Prefixes of parameter names, in groups from the input to the output.
Blocks = tuple[tuple[str, ...], ...]

#: A function of ``in_channels``, ``n_classes`` and the network's own options, all by keyword.
Builder = Callable[..., nn.Module]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a registered network before it is built.

    Attributes
    ----------
    name : str
        Name in the register.
    summary : str
        One line for people.
    source : str
        The paper, and whose layout the parameter names follow.
    input_size : int
        Height and width, in pixels, that it was made for.
    min_size : int
        Smallest height and width that it takes.
    in_channels : int
        Channels of an image, by default.
    n_classes : int
        Outputs, by default.
    n_parameters : int
        Numbers that are learned, by default.
    mean : tuple of float
        Mean of each channel, on the scale from 0 to 1, that its usual weights (or usual data) expect to be subtracted.
    std : tuple of float
        Standard deviation of each channel on the same scale, to divide by after that.
    head : str
        Dotted name of the last layer with weights.
    blocks : tuple of tuple of str
        Prefixes of parameter names in groups from the input to the head: for freezing the first ones, and for rates by
        block.
    other_heads : tuple of str
        Further layers with one output a class (auxiliary classifiers).
    options : dict of str to object
        The builder's own options with their defaults.
    builder : callable
        Builds the network with fresh weights.
    """

    name: str
    summary: str
    source: str
    input_size: int
    min_size: int
    in_channels: int
    n_classes: int
    n_parameters: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    head: str
    blocks: Blocks
    other_heads: tuple[str, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    builder: Builder = field(default=nn.Identity, repr=False, compare=False)


_MODELS: dict[str, ModelInfo] = {}


def register_model(
    name: str,
    *,
    summary: str,
    source: str,
    input_size: int,
    min_size: int,
    n_parameters: int,
    head: str,
    blocks: Blocks,
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
    other_heads: tuple[str, ...] = (),
) -> Callable[[Builder], Builder]:
    """Return a decorator that registers the builder of a network.

    Parameters
    ----------
    name : str
        Name to build it by; new.
    summary : str
        One line for people.
    source : str
        The paper, and whose layout the parameter names follow.
    input_size : int
        Height and width, in pixels, that it was made for.
    min_size : int
        Smallest height and width that it takes.
    n_parameters : int
        Numbers that are learned, with the builder's defaults.
    head : str
        Dotted name of the last layer with weights.
    blocks : tuple of tuple of str
        Prefixes of parameter names in groups from the input to the head. Every parameter belongs to one group.
    mean : tuple of float
        What to subtract from each channel on the scale from 0 to 1; by default that of ImageNet.
    std : tuple of float
        What to divide each channel by after that; by default that of ImageNet.
    other_heads : tuple of str
        Further layers with one output a class.

    Returns
    -------
    decorator : callable
        Takes the builder, a function of ``in_channels``, ``n_classes`` and options by keyword, all with defaults, and
        gives it back.

    Raises
    ------
    ValueError
        If the name is registered already; the message says where.
    TypeError
        If the builder cannot be called with keywords alone.

    Examples
    --------
    >>> from strata.models import build, list_models
    >>> "lenet5" in list_models()
    True
    >>> register_model("lenet5", summary="", source="", input_size=28, min_size=28, n_parameters=0, head="fc",
    ...                blocks=(("fc",),))(torch.nn.Identity)
    Traceback (most recent call last):
    ...
    ValueError: `name` must be new. Received: name='lenet5', registered in strata.models.lenet5.
    """

    def register(builder: Builder) -> Builder:
        if name in _MODELS:
            builder = _MODELS[name].builder
            first = getattr(builder, "func", builder).__module__  # of a partial, that of its function
            raise ValueError(f"`name` must be new. Received: name={name!r}, registered in {first}.")
        defaults = {key: value.default for key, value in inspect.signature(builder).parameters.items()}
        if not {"in_channels", "n_classes"} <= defaults.keys() or inspect.Parameter.empty in defaults.values():
            raise TypeError(
                "`builder` must take in_channels and n_classes, and have a default for every argument. "
                f"Received: {name!r} with the arguments {', '.join(defaults) or 'none'}."
            )
        in_channels, n_classes = defaults.pop("in_channels"), defaults.pop("n_classes")
        _MODELS[name] = ModelInfo(
            name, summary, source, input_size, min_size, in_channels, n_classes, n_parameters, mean, std, head, blocks,
            other_heads, defaults, builder,
        )  # fmt: skip
        return builder

    return register


def list_models() -> tuple[str, ...]:
    """List the names of all registered networks.

    Returns
    -------
    names : tuple of str
        In alphabetical order.

    Examples
    --------
    >>> [name for name in list_models() if name.startswith("lenet")]
    ['lenet5', 'lenet5_1998']
    """
    return tuple(sorted(_MODELS))


def model_info(name: str) -> ModelInfo:
    """Tell what is known of a registered network.

    Parameters
    ----------
    name : str
        Name in the register.

    Returns
    -------
    info : ModelInfo
        Sizes, normalisation, head and blocks.

    Raises
    ------
    ValueError
        If the name is unknown; the message suggests the nearest one.

    Examples
    --------
    >>> info = model_info("resnet20")
    >>> info.n_parameters, info.head, info.blocks[0]
    (269722, 'linear', ('conv1', 'bn1'))
    """
    if name not in _MODELS:
        raise ValueError(unknown_name("model", name, _MODELS))
    return _MODELS[name]
