r"""The three ways back through a rectifier: the derivative, the deconvolutional network's and the guided one.

.. math::
    \text{backprop}: g\,[x > 0] \qquad \text{deconvnet}: g\,[g > 0] \qquad \text{guided}: g\,[x > 0]\,[g > 0]

J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, "Striving for Simplicity: The All Convolutional Net",
2014, arXiv:1412.6806, figure 1.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

__all__ = ["RULES", "RectifierInputs", "way_back"]

#: Ways back through a rectifier.
RULES = ("backprop", "deconvnet", "guided")


class _Rectifier(Function):
    """max(0, x), bounded above on request, with a way back of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, upper: float | None, rule: str, in_place: bool) -> Tensor:
        ctx.rule = rule
        if rule == "guided":
            ctx.save_for_backward((x > 0) if upper is None else (x > 0) & (x < upper))
        if in_place:
            ctx.mark_dirty(x)
            return x.clamp_(0, upper)
        return x.clamp(0, upper)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        grad = grad.clamp(min=0)
        if ctx.rule == "guided":
            grad = grad * ctx.saved_tensors[0]
        return grad, None, None, None


class _Rule(TorchFunctionMode):
    """Puts our rectifier in the place of torch's, whether it is called as a layer, a function or a method."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        found = _as_rectifier(getattr(func, "__name__", ""), args, given)
        if found is None:
            return func(*args, **given)
        x, upper, in_place = found
        return _Rectifier.apply(x, upper, self.rule, in_place)


class RectifierInputs(TorchFunctionMode):
    """Remembers, while the network runs inside the block, what went into each rectifier."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function as it is."""
        given = kwargs or {}
        result = func(*args, **given)
        found = _as_rectifier(getattr(func, "__name__", ""), args, given)
        if found is not None and not found[2]:
            self._seen[id(result)] = (result, found[0])
        return result

    def before(self, output: Tensor) -> Tensor:
        """Return what went into the rectifier that gave an output; the output where none gave it, or in place."""
        return self._seen.get(id(output), (output, output))[1]


def _as_rectifier(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Tensor, float | None, bool] | None:
    """Return input, upper bound and whether it is overwritten, when a call rectifies; None when it does not."""
    kind = name.removesuffix("_")
    if kind not in ("relu", "relu6", "hardtanh", "clamp", "clip", "clamp_min"):
        return None
    values = dict(zip(("input", "first", "second", "inplace"), args, strict=False)) | dict(kwargs)
    x = values.get("input")
    if not isinstance(x, Tensor) or not x.dtype.is_floating_point:
        return None
    if kind in ("relu", "relu6"):
        in_place = name.endswith("_") or (args[1] if len(args) > 1 else kwargs.get("inplace")) is True
        return x, 6.0 if kind == "relu6" else None, in_place
    in_place = name.endswith("_") or values.get("inplace") is True
    low = values.get("first", values.get("min_val", values.get("min", -1.0 if kind == "hardtanh" else None)))
    high = values.get("second", values.get("max_val", values.get("max", 1.0 if kind == "hardtanh" else None)))
    if isinstance(low, Tensor) or isinstance(high, Tensor) or low != 0:
        return None
    return x, None if high is None else float(high), in_place


def way_back(rule: str) -> AbstractContextManager[Any]:
    """Return a context in which rectifiers have another way back.

    Parameters
    ----------
    rule : {"backprop", "deconvnet", "guided"}
        Which. ReLU, ReLU6 and every clamp at 0 below are meant: as layers, as functions, as methods, in place too.
        Other activations keep their derivative. Under ``"backprop"`` nothing is changed.

    Returns
    -------
    context : context manager
        For the forward pass; the way back is then fixed.
    """
    return nullcontext() if rule == "backprop" else _Rule(rule)
