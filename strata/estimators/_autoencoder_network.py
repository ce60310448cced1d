"""The network of an autoencoder, from the arguments of an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from strata.estimators._parameters import hidden_activations, hidden_sizes
from strata.functional import get_activation
from strata.models.autoencoder import ConvDecoder, ConvEncoder, DenseAutoencoder, EncoderDecoder
from strata.nn import Code, DenseNetwork, DenseSpec, GaussianCode, Head, PlainCode
from strata.nn.init import initialize

__all__ = ["Shape", "build_dense", "build_network", "mirrored", "output_head", "shape_of"]


@dataclass(frozen=True)
class Shape:
    """What a network is, without its weights."""

    n_features: int
    image: tuple[int, int, int] | None
    channels: tuple[int, ...]
    kernel_size: int
    hidden: tuple[int, ...]
    size: int
    activations: tuple[str, ...]  # of the hidden layers
    activation: str  # of a convolutional network
    code_activation: str
    head: Head
    tied: bool
    variational: bool

    def __post_init__(self) -> None:
        if self.channels and self.image is None:
            raise ValueError(
                f"`channels` must be empty unless X holds images. Received: channels={self.channels!r}. "
                "Give X of shape (n, h, w) or (n, h, w, channels), or say input_shape=(h, w) of its rows."
            )
        if self.variational and self.tied:
            raise ValueError(
                "`tied` must be False for a variational autoencoder, whose code has two outputs a unit. "
                "Received: tied=True, variational=True."
            )
        if not get_activation(self.code_activation).elementwise:
            raise ValueError(
                f"`code_activation` must be elementwise. Received: code_activation={self.code_activation!r}."
            )
        if self.variational and self.code_activation != "identity":
            raise ValueError(
                "`code_activation` must be 'identity' for a variational autoencoder. "
                f"Received: code_activation={self.code_activation!r}."
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the layers of a dense encoder, inputs and code included."""
        return (self.n_features, *self.hidden, self.size)

    @property
    def dense(self) -> bool:
        """Whether the network is one dense network."""
        return not self.channels and not self.variational

    @property
    def spec(self) -> DenseSpec:
        """The whole of a dense network."""
        return mirrored(self.sizes, (*self.activations, self.code_activation), self.head, tied=self.tied)


def mirrored(sizes: Sequence[int], activations: Sequence[str], head: Head, *, tied: bool) -> DenseSpec:
    """Return a dense autoencoder whose decoder is the mirror image of its encoder."""
    hidden = (*sizes[1:], *reversed(sizes[1:-1]))
    return DenseSpec(sizes[0], hidden, (*activations, *reversed(activations[:-1])), (head,), tied=tied)


def output_head(loss: str, out_activation: str, n_features: int) -> Head:
    """Return the output units; "auto" is the loss's own activation."""
    return Head(n_features, loss, activation=None if out_activation == "auto" else out_activation)


def shape_of(estimator: Any, n_features: int, size: int) -> Shape:
    """Read the arguments of an estimator."""
    hidden = hidden_sizes(estimator.hidden_layer_sizes)
    channels = tuple(estimator.channels)
    if channels and not isinstance(estimator.activation, str):
        raise ValueError(
            f"`activation` must be one name for a convolutional network. Received: activation={estimator.activation!r}."
        )
    return Shape(
        n_features,
        estimator.input_shape_,
        channels,
        int(estimator.kernel_size),
        hidden,
        size,
        hidden_activations(estimator.activation, len(hidden)),
        estimator.activation if isinstance(estimator.activation, str) else "relu",
        estimator.code_activation,
        output_head(estimator.loss, estimator.out_activation, n_features),
        bool(estimator.tied),
        bool(estimator.variational),
    )


def build_dense(
    spec: DenseSpec,
    dtype: Any,
    *,
    scheme: str,
    random_state: np.random.RandomState | None,
    kind: type[DenseNetwork] = DenseAutoencoder,
) -> DenseNetwork:
    """Draw the first weights of a dense network; without a generator it has none, and takes no memory."""
    if random_state is None:
        like: dict[str, Any] = {"dtype": _torch_dtype(dtype), "device": "meta"}
        weights: list[Any] = [torch.empty(shape, **like) for shape in spec.weight_shapes]
        return kind.from_arrays(spec, weights, [torch.empty(size, **like) for size in spec.layer_sizes[1:]])
    arrays = [np.empty(shape, dtype=dtype) for shape in spec.weight_shapes]
    biases = [np.zeros(size, dtype=dtype) for size in spec.layer_sizes[1:]]
    following = [*spec.hidden_activations, spec.heads[0].output_activation][: len(arrays)]
    name = "glorot_uniform" if scheme == "auto" else scheme
    initialize(arrays, biases[: len(arrays)], name, random_state=random_state, activation=following)
    return kind.from_arrays(spec, arrays, biases)


def build_network(
    shape: Shape, dtype: Any, *, scheme: str, random_state: np.random.RandomState | None, code: Code | None = None
) -> nn.Module:
    """Build the network of a shape with its first weights; without a generator it has none.

    ``code`` stands in for the plain or normal code that the shape says.
    """
    if shape.dense and code is None:
        return build_dense(shape.spec, dtype, scheme=scheme, random_state=random_state)
    seeds = (0, 0, 0) if random_state is None else random_state.randint(np.iinfo(np.int32).max, size=3)
    with torch.device("meta" if random_state is None else "cpu"):
        if code is None and shape.variational:
            code = GaussianCode(shape.size, seed=int(seeds[2]))
        elif code is None:
            code = PlainCode(shape.size, shape.code_activation)
        if shape.channels:
            encoder, decoder = _convolutional(shape, code.n_inputs, [int(seed) for seed in seeds], random_state is None)
        else:
            encoder, decoder = _two_dense(shape, code.n_inputs, dtype, scheme, random_state)
    return EncoderDecoder(encoder, code, decoder).to(_torch_dtype(dtype))


def _convolutional(shape: Shape, n_outputs: int, seeds: Sequence[int], empty: bool) -> tuple[nn.Module, nn.Module]:
    if shape.image is None:
        raise ValueError("`channels` must be empty unless X holds images.")
    encoder = ConvEncoder(
        shape.image,
        shape.channels,
        (*shape.hidden, n_outputs),
        kernel_size=shape.kernel_size,
        activation=shape.activation,
        seed=None if empty else seeds[0],
    )
    return encoder, ConvDecoder(encoder, shape.size, tied=shape.tied, seed=None if empty else seeds[1])


def _two_dense(
    shape: Shape, n_outputs: int, dtype: Any, scheme: str, random_state: np.random.RandomState | None
) -> tuple[nn.Module, nn.Module]:
    first = DenseSpec(shape.n_features, shape.hidden, shape.activations, (Head(n_outputs, "mse"),))
    second = DenseSpec(shape.size, shape.hidden[::-1], shape.activations[::-1], (shape.head,))
    how: dict[str, Any] = {"scheme": scheme, "random_state": random_state, "kind": DenseNetwork}
    return build_dense(first, dtype, **how), build_dense(second, dtype, **how)


def _torch_dtype(dtype: Any) -> torch.dtype:
    return torch.float32 if np.dtype(dtype) == np.float32 else torch.float64
