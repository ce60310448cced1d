"""What a dense network is, as plain values: sizes, activations, heads and dropout."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from strata.functional import get_activation
from strata.nn._heads import Head

__all__ = ["DenseSpec"]


@dataclass(frozen=True)
class DenseSpec:
    """The architecture of a dense network.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    hidden_sizes : tuple of int
        Units of each hidden layer; empty for a network without.
    hidden_activations : tuple of str
        Name of the activation of each hidden layer; elementwise ones. Aliases are replaced by the names they stand for.
    heads : tuple of Head
        Output heads, with different names; they share the last hidden layer.
    dropout : tuple of float, default=()
        Probability of dropping a unit of the inputs, of the first hidden layer, and so on: one for each layer but the
        output. Empty: no dropout.
    dropout_form : {"inverted", "rescaling"}, default="inverted"
        Divide by the probability of keeping while training, or multiply the outgoing weights by it when evaluating.
    tied : bool, default=False
        Whether the second half of the layers uses the transposed weights of the first half, with biases of its own.
        The sizes must then be symmetric, as in an autoencoder.

    Raises
    ------
    ValueError
        If a size, probability or name is out of range, or the lengths do not fit together.

    Examples
    --------
    >>> spec = DenseSpec(784, (500,), ("relu",), (Head(10, "cross_entropy"),))
    >>> spec.layer_sizes, spec.n_parameters
    ((784, 500, 10), 397510)
    """

    n_inputs: int
    hidden_sizes: tuple[int, ...]
    hidden_activations: tuple[str, ...]
    heads: tuple[Head, ...]
    dropout: tuple[float, ...] = ()
    dropout_form: Literal["inverted", "rescaling"] = "inverted"
    tied: bool = False

    def __post_init__(self) -> None:
        for name, size in (("n_inputs", self.n_inputs), *(("hidden_sizes", size) for size in self.hidden_sizes)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"`{name}` must be made of integers of at least 1. Received: {name}={size!r}.")
        if len(self.hidden_activations) != len(self.hidden_sizes):
            raise ValueError(
                "`hidden_activations` must have one entry for each hidden layer. "
                f"Received: {len(self.hidden_activations)} activations, {len(self.hidden_sizes)} hidden layers."
            )
        found = [get_activation(name) for name in self.hidden_activations]
        for activation in found:
            if not activation.elementwise:
                raise ValueError(f"`hidden_activations` must be elementwise. Received: {activation.name!r}.")
        object.__setattr__(self, "hidden_activations", tuple(activation.name for activation in found))
        names = [head.name for head in self.heads]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"`heads` must be at least one, with different names. Received: names={names}.")
        self._check_dropout()
        sizes = self.layer_sizes
        if self.tied and (sizes != sizes[::-1] or len(sizes) % 2 == 0):
            raise ValueError(
                "`tied` must be False unless the sizes are symmetric with an odd number of layers. "
                f"Received: layer sizes {sizes}."
            )

    def _check_dropout(self) -> None:
        if self.dropout and len(self.dropout) != self.n_layers:
            raise ValueError(
                f"`dropout` must be empty or have {self.n_layers} entries: the inputs and each hidden layer. "
                f"Received: dropout={self.dropout!r}."
            )
        for probability in self.dropout:
            if not 0 <= probability < 1:
                raise ValueError(f"`dropout` must be made of probabilities in [0, 1). Received: {probability!r}.")
        if self.dropout_form not in ("inverted", "rescaling"):
            raise ValueError(
                f"`dropout_form` must be 'inverted' or 'rescaling'. Received: dropout_form={self.dropout_form!r}."
            )

    @cached_property
    def layer_sizes(self) -> tuple[int, ...]:
        """Inputs, hidden units, and outputs of all heads together."""
        return (self.n_inputs, *self.hidden_sizes, sum(head.size for head in self.heads))

    @property
    def n_layers(self) -> int:
        """Number of layers of weights: hidden layers and the output layer."""
        return len(self.hidden_sizes) + 1

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape (n_in, n_out) of each weight matrix that is a parameter."""
        sizes = self.layer_sizes
        shapes = tuple(pairwise(sizes))
        return shapes[: len(shapes) // 2] if self.tied else shapes

    @cached_property
    def n_parameters(self) -> int:
        """Number of weights and biases; a shared weight counts once."""
        return sum(n_in * n_out for n_in, n_out in self.weight_shapes) + sum(self.layer_sizes[1:])

    @property
    def target_width(self) -> int:
        """Number of target columns of all heads together."""
        return sum(head.target_width for head in self.heads)

    def activate(self, scores: Tensor) -> Tensor:
        """Apply each head's activation to its part of the scores.

        Parameters
        ----------
        scores : Tensor of shape (N, sum of the heads' sizes)
            Pre-activations of the output layer.

        Returns
        -------
        outputs : Tensor of the same shape
            Predictions.

        Examples
        --------
        >>> spec = DenseSpec(2, (), (), (Head(2, "cross_entropy", name="kind"), Head(1, "poisson", name="n")))
        >>> spec.activate(torch.zeros(1, 3))
        tensor([[0.5000, 0.5000, 1.0000]])
        """
        parts = torch.split(scores, [head.size for head in self.heads], dim=1)
        outputs = [get_activation(head.output_activation)(z) for head, z in zip(self.heads, parts, strict=True)]
        return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]

    def check_arrays(self, weights: Sequence[tuple[int, ...]], biases: Sequence[tuple[int, ...]]) -> None:
        """Refuse weights and biases whose shapes are not those of this network.

        Parameters
        ----------
        weights : sequence of tuples
            Shape of each weight matrix.
        biases : sequence of tuples
            Shape of each bias vector.

        Raises
        ------
        ValueError
            If they differ.

        Examples
        --------
        >>> DenseSpec(2, (), (), (Head(1, "mse"),)).check_arrays([(2, 1)], [(1,)])
        """
        wanted = (list(self.weight_shapes), [(size,) for size in self.layer_sizes[1:]])
        if (list(weights), list(biases)) != wanted:
            raise ValueError(
                f"Weights must have the shapes {wanted[0]} and biases {wanted[1]}. "
                f"Received: weights {list(weights)}, biases {list(biases)}."
            )
