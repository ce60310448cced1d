"""Looking into a network without leaving a trace: layers by name, captured outputs, and the state it was found in."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.models import head_of

__all__ = [
    "Captured",
    "ReachedError",
    "Traced",
    "capture",
    "checked_images",
    "checked_layer",
    "examined",
    "head_module",
    "last_maps",
    "map_layers",
    "run",
    "scores_of",
    "target_classes",
    "trace",
]

#: Kinds of layers that belong to the layer before them, and kinds that only shrink what they get.
_FOLLOWERS = ("norm", "relu", "elu", "silu", "gelu", "tanh", "sigmoid", "swish", "mish", "softplus", "dropout")
_SHRINKERS = ("pool", "subsampling")
_MAX_LISTED = 40


class ReachedError(Exception):
    """All that was to be captured was captured; the rest of the network need not run."""


class Captured(dict[str, Tensor]):
    """Outputs of layers by name."""

    n_kept = 0  #: how many were kept, of layers that run several times all of them


class Traced(NamedTuple):
    """One layer that was run.

    Parameters
    ----------
    name : str
        Dotted name.
    shape : tuple of int
        Shape of its output.
    kind : str
        Name of its class, in lower case.
    leaf : bool
        Whether it has no layers inside.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    leaf: bool

    @property
    def is_map(self) -> bool:
        """Whether the output has a place for every channel: (n, c, h, w) with more than one pixel."""
        return len(self.shape) == 4 and self.shape[2] * self.shape[3] > 1

    @property
    def follows(self) -> bool:
        """Whether it is an activation, a normalization or a dropout."""
        return self.leaf and any(word in self.kind for word in _FOLLOWERS)

    def is_in(self, block: Sequence[str]) -> bool:
        """Return whether it is one of some modules, or inside one."""
        return any(self.name == prefix or self.name.startswith(f"{prefix}.") for prefix in block)


@contextmanager
def examined(network: nn.Module) -> Iterator[nn.Module]:
    """Put a network into evaluation mode inside the block, and back as it was, whatever happens.

    Layers that write into their input are kept from it, so that captured outputs stay what they are. Parameters,
    buffers, gradients and ``requires_grad`` are not touched: gradients are asked for by :func:`torch.autograd.grad`.

    Parameters
    ----------
    network : Module
        Any; of a compiled one the module inside is taken.

    Yields
    ------
    network : Module
        To be run.

    Raises
    ------
    TypeError
        If it is no module.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"`network` must be a torch.nn.Module. Received: {type(network).__name__}.")
    network = getattr(network, "_orig_mod", network)
    modules = list(network.modules())
    modes = [module.training for module in modules]
    in_place = [module for module in modules if getattr(module, "inplace", None) is True]
    try:
        for module in modules:
            module.training = False
        for module in in_place:
            module.inplace = False
        with torch.inference_mode(False):
            yield network
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for module in in_place:
            module.inplace = True


@contextmanager
def capture(network: nn.Module, names: Iterable[str], *, stop_at: int | None = None) -> Iterator[Captured]:
    """Keep the outputs of some layers while the network runs inside the block.

    What is kept stands in the graph of the output, and what runs later gets a copy of it, so that nothing can write
    into it. Of a layer that runs several times the last output is kept.

    Parameters
    ----------
    network : Module
        To be run inside the block.
    names : iterable of str
        Dotted names of layers.
    stop_at : int, optional
        Raise :class:`ReachedError` once so many outputs were kept: what comes after is not needed.

    Yields
    ------
    outputs : Captured
        Filled while the network runs.
    """
    outputs = Captured()

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
            if not isinstance(output, Tensor):
                return None
            outputs[name] = output
            outputs.n_kept += 1
            if outputs.n_kept == stop_at:
                raise ReachedError
            return output.clone()

        return hook

    modules = dict(network.named_modules())
    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def checked_images(x: Any, network: nn.Module, *, name: str = "x") -> Tensor:
    """Return a batch of images as the network computes: detached, on its device, in its floating type.

    Parameters
    ----------
    x : Tensor of shape (n, c, h, w)
        As the network takes it.
    network : Module
        Whose first parameter says device and type.
    name : str, default="x"
        What to call it in an error message.

    Returns
    -------
    x : Tensor of shape (n, c, h, w)
        Detached.

    Raises
    ------
    TypeError
        If it is no tensor of floating-point numbers.
    ValueError
        If its shape is another, it is empty, or a value is not finite.
    """
    if not isinstance(x, Tensor) or not x.dtype.is_floating_point:
        what = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"`{name}` must be a tensor of floating-point numbers. Received: {what}.")
    if x.ndim != 4 or x.numel() == 0:
        raise ValueError(f"`{name}` must be images of shape (n, c, h, w). Received: shape {tuple(x.shape)}.")
    if not torch.isfinite(x).all():
        raise ValueError(f"`{name}` must be finite. Received: NaN or infinity among its values.")
    parameter = next((p for p in network.parameters() if p.dtype.is_floating_point), None)
    images: Tensor = x.detach()
    return images if parameter is None else images.to(parameter.device, parameter.dtype)


def run(network: nn.Module, x: Tensor) -> Tensor:
    """Return the output of a network, the main one where there are several.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images.

    Returns
    -------
    output : Tensor
        Of the network.

    Raises
    ------
    ValueError
        If the network cannot take the images, or gives no tensor.
    """
    try:
        output: Any = network(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"`x` must fit the network. Received: shape {tuple(x.shape)}; torch says: {reason}") from error
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    if isinstance(output, Tensor):
        return output
    raise ValueError(f"`network` must give a tensor. Received: {type(output).__name__}.")


def scores_of(network: nn.Module, x: Tensor) -> Tensor:
    """Return the scores of the classes before softmax.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images.

    Returns
    -------
    scores : Tensor of shape (n, n_classes)
        In the graph.

    Raises
    ------
    ValueError
        If the output has another shape.
    """
    scores = run(network, x)
    if scores.ndim != 2 or len(scores) != len(x):
        raise ValueError(
            f"`network` must give one row of class scores an image, (n, n_classes). "
            f"Received: shape {tuple(scores.shape)} for {len(x)} images."
        )
    return scores


def target_classes(target: Any, scores: Tensor) -> Tensor:
    """Return the class to be explained of every image.

    Parameters
    ----------
    target : int, sequence of int, Tensor of shape (n,) or None
        Index of the class, one for all or one an image; None for the predicted ones.
    scores : Tensor of shape (n, n_classes)
        Of the images.

    Returns
    -------
    classes : Tensor of shape (n,), int64
        On the device of the scores.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If there is no such class, or the number of them is another than that of the images.
    """
    n, n_classes = scores.shape
    if target is None:
        return scores.detach().argmax(1)
    classes = torch.as_tensor(target, device=scores.device)
    if classes.dtype.is_floating_point or classes.dtype is torch.bool or classes.dtype.is_complex:
        raise TypeError(f"`target` must be the index of a class. Received: {target!r}.")
    classes = classes.to(torch.int64)
    if classes.ndim == 0:
        classes = classes.expand(n)
    if classes.shape != (n,):
        raise ValueError(f"`target` must be one class, or one for each of {n} images. Received: {target!r}.")
    if bool((classes < 0).any()) or bool((classes >= n_classes).any()):
        raise ValueError(f"`target` must be a class from 0 to {n_classes - 1}. Received: {target!r}.")
    return classes


def checked_layer(network: nn.Module, name: Any) -> str:
    """Return the name of a layer, when there is one of that name.

    Parameters
    ----------
    network : Module
        That has the layer.
    name : str
        Dotted name.

    Returns
    -------
    name : str
        The same.

    Raises
    ------
    TypeError
        If it is no string.
    ValueError
        If there is no such layer; the nearest name and the outer layers are listed.
    """
    if not isinstance(name, str):
        raise TypeError(f"`layer` must be the dotted name of a layer. Received: {name!r}.")
    names = [each for each, _ in network.named_modules() if each]
    if name in names:
        return name
    depth = max((d for d in range(1, 9) if sum(n.count(".") < d for n in names) <= _MAX_LISTED), default=1)
    known = {each for each in names if each.count(".") < depth}
    raise ValueError(unknown_name("layer", name, known | set(get_close_matches(name, names, n=3, cutoff=0.5))))


@torch.no_grad()
def trace(network: nn.Module, x: Tensor) -> list[Traced]:
    """Run a network once and list the layers in the order in which they were done.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images.

    Returns
    -------
    layers : list of Traced
        Those that gave a tensor, each at its last run; the network itself is not among them.
    """
    seen: dict[str, Traced] = {}
    handles = []

    def note(name: str, leaf: bool) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                seen.pop(name, None)
                seen[name] = Traced(name, tuple(output.shape), type(module).__name__.lower(), leaf)

        return hook

    try:
        for name, module in network.named_modules():
            if name:
                leaf = next(module.children(), None) is None
                handles.append(module.register_forward_hook(note(name, leaf)))
        run(network, x)
    finally:
        for handle in handles:
            handle.remove()
    return list(seen.values())


def _ends_in_pooling(network: nn.Module, name: str) -> bool:
    """Return whether a layer, or the last one of a sequence, is a pooling layer."""
    module = network.get_submodule(name)
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    return any(word in type(module).__name__.lower() for word in _SHRINKERS)


def _before_head(network: nn.Module, x: Tensor) -> list[Traced]:
    """Return the layers that are done before the last one with weights, where that one gives the scores of classes."""
    layers = trace(network, x[:1])
    try:
        head = head_of(network)
    except ValueError:
        return layers
    at = next((at for at, layer in enumerate(layers) if layer.name == head), len(layers))
    with torch.no_grad():
        return layers[:at] if run(network, x[:1]).ndim == 2 else layers


def map_layers(network: nn.Module, x: Tensor) -> list[Traced]:
    """Return the layers before the head that give maps and do not end in pooling; never none."""
    layers = [each for each in _before_head(network, x) if each.is_map and not _ends_in_pooling(network, each.name)]
    if not layers:
        raise ValueError("`network` must have a layer that gives maps (n, c, h, w). Received: one without any.")
    return layers


def last_maps(network: nn.Module, x: Tensor) -> str:
    """Return the last layer whose output still has places: after its activation, before any pooling.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images; one is enough.

    Returns
    -------
    layer : str
        Dotted name, the outermost of those that give the same.

    Raises
    ------
    ValueError
        If no layer gives maps.
    """
    return map_layers(network, x)[-1].name


def head_module(network: nn.Module) -> tuple[str, nn.Module]:
    """Return the last layer with weights and its name."""
    name = head_of(network)
    return name, network.get_submodule(name)
