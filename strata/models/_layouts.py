"""Weights of other libraries under the names and in the layout of ours.

Two files of Keras are known by their keys: MobileNet v1 and SqueezeNet v1.1 (the latter without its classifier). In
both, kernels are (height, width, in, out), and those of a channel by itself (height, width, channels, 1).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from strata.errors import ModelRefusedError
from strata.models.registry import ModelInfo

__all__ = ["translated"]

#: Where the parts of a batch norm go.
BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
#: Fire modules of SqueezeNet by their place among the features.
FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
#: What Keras' SqueezeNet subtracts from blue, green and red on the scale from 0 to 255.
CAFFE_MEANS = (103.939, 116.779, 123.68)


def translated(path: object, tensors: Mapping[str, Tensor], info: ModelInfo | None) -> dict[str, Tensor]:
    """Rename and transpose the tensors of a Keras file; leave those of every other file alone."""
    if "conv_dw_1/depthwise_kernel" in tensors:
        _check(path, "mobilenet_v1", info)
        return dict(_mobilenet(path, name, tensor) for name, tensor in tensors.items())
    if "fire2/squeeze1x1/kernel" in tensors:
        return _squeezenet(path, tensors, _check(path, "squeezenet1_1", info))
    return dict(tensors)


def _check(path: object, name: str, info: ModelInfo | None) -> ModelInfo:
    if info is None or info.name != name:
        given = "a network that is not registered" if info is None else repr(info.name)
        raise ModelRefusedError(f"{path} is refused: it holds weights of {name!r}, and the network is {given}.")
    return info


def _kernel(path: object, name: str, tensor: Tensor) -> Tensor:
    """Turn (height, width, in, out) into (out, in, height, width)."""
    if tensor.ndim != 4:
        raise ModelRefusedError(f"{path} is refused: {name!r} has shape {list(tensor.shape)}, and a kernel has 4 axes.")
    return tensor.permute(3, 2, 0, 1).contiguous()


def _mobilenet(path: object, name: str, tensor: Tensor) -> tuple[str, Tensor]:
    layer, _, part = name.partition("/")
    found = re.fullmatch(r"(conv1|conv_(dw|pw)_([0-9]{1,2})|conv_preds)(_bn)?", layer)
    if found is None:
        raise ModelRefusedError(f"{path} is refused: {name[:60]!r} is no weight of 'mobilenet_v1'.")
    kind, number, norm = found[2], found[3], found[4]
    if norm:
        where = f"blocks.{number}.bn{1 if kind == 'dw' else 2}" if kind else "bn1"
        return f"{where}.{BATCH_NORM.get(part, part)}", tensor
    if layer == "conv_preds":
        return ("fc.weight", _kernel(path, name, tensor).flatten(1)) if part == "kernel" else ("fc.bias", tensor)
    if kind == "dw":  # (height, width, channels, 1) to (channels, 1, height, width)
        return f"blocks.{number}.depthwise.weight", _kernel(path, name, tensor).transpose(0, 1).contiguous()
    return ("conv1.weight" if not kind else f"blocks.{number}.pointwise.weight"), _kernel(path, name, tensor)


def _squeezenet(path: object, tensors: Mapping[str, Tensor], info: ModelInfo) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        layer, _, part = name.rpartition("/")
        kind = "weight" if part == "kernel" else part
        value = _kernel(path, name, tensor) if part == "kernel" else tensor
        found = re.fullmatch(r"fire([2-9])/(squeeze|expand)(1x1|3x3)", layer)
        if found is not None:
            module = found[2] if found[2] == "squeeze" else f"expand{found[3]}"
            state[f"features.{FIRES[int(found[1])]}.{module}.{kind}"] = value
        elif layer == "conv1":
            state[f"features.0.{kind}"] = value
        elif layer == "conv10":
            state[f"classifier.1.{kind}"] = value
        else:
            raise ModelRefusedError(f"{path} is refused: {name[:60]!r} is no weight of 'squeezenet1_1'.")
    _take_rgb(path, state, info)
    return state


def _take_rgb(path: object, state: dict[str, Tensor], info: ModelInfo) -> None:
    r"""Let the first convolution take normalised RGB instead of BGR from 0 to 255 minus means.

    A channel is :math:`255 (s x + m) - c = 255 s\, x + (255 m - c)`: a factor on the kernel and a part of the bias. The
    convolution has no padding, so this is exact.
    """
    weight, bias = state.get("features.0.weight"), state.get("features.0.bias")
    if weight is None or bias is None or weight.shape[1] != 3:
        raise ModelRefusedError(f"{path} is refused: it has no first convolution of 3 channels.")
    weight = weight.double().flip(1)  # BGR to RGB
    means = torch.tensor(info.mean, dtype=torch.float64)
    shift = 255 * means - torch.tensor(CAFFE_MEANS[::-1], dtype=torch.float64)
    state["features.0.bias"] = (bias.double() + (weight.sum((2, 3)) * shift).sum(1)).to(bias.dtype)
    scale = 255 * torch.tensor(info.std, dtype=torch.float64)
    state["features.0.weight"] = (weight * scale[:, None, None]).to(bias.dtype)
