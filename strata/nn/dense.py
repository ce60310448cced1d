r"""The fully connected network of the lectures: any depth, one or several output heads.

Layer l maps :math:`a^{(l)}` to :math:`z^{(l+1)} = a^{(l)} W^{(l)} + b^{(l)}` and
:math:`a^{(l+1)} = f(z^{(l+1)})`, with :math:`a^{(1)} = x` and one example a row. Weights have the shape
(n_in, n_out), as scikit-learn's ``coefs_``; the lectures' :math:`W` and PyTorch's ``Linear.weight`` are its transpose.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from strata.functional import get_activation, keep_mask
from strata.nn._heads import Head
from strata.nn._spec import DenseSpec
from strata.nn.init import initialize

__all__ = ["DenseLoss", "DenseNetwork", "DenseSpec", "Head"]


class DenseNetwork(nn.Module):
    """A dense network as a PyTorch module.

    Parameters
    ----------
    spec : DenseSpec
        Sizes, activations, heads and dropout.
    dtype : torch.dtype or None, default=None
        Of the parameters: float32 or float64. None: torch's default.
    seed : int, default=0
        Seed of the starting weights (Glorot uniform) and of the dropout masks.

    Attributes
    ----------
    weights : ParameterList of Tensors of shape (n_in, n_out)
        Weights of each layer; with ``spec.tied`` those of the first half only.
    biases : ParameterList of Tensors of shape (n_out,)
        Biases of each layer.
    dropout_seed, dropout_step : Tensors of shape (), int64
        Which masks dropout takes; see :func:`strata.functional.keep_mask`. Whoever trains sets the step, so that a
        resumed run sees the masks of an uninterrupted one.

    Examples
    --------
    >>> spec = DenseSpec(2, (3,), ("tanh",), (Head(1, "squared_error"),))
    >>> network = DenseNetwork(spec, dtype=torch.float64, seed=0)
    >>> network(torch.zeros(5, 2, dtype=torch.float64)).shape
    torch.Size([5, 1])
    """

    dropout_seed: Tensor
    dropout_step: Tensor

    def __init__(self, spec: DenseSpec, *, dtype: torch.dtype | None = None, seed: int = 0) -> None:
        super().__init__()
        weights = [torch.empty(shape, dtype=dtype) for shape in spec.weight_shapes]
        biases = [torch.empty(size, dtype=dtype) for size in spec.layer_sizes[1:]]
        followers = [*spec.hidden_activations, spec.heads[0].output_activation][: len(weights)]
        initialize(weights, biases[: len(weights)], random_state=seed, activation=followers)
        for bias in biases[len(weights) :]:  # of the layers that borrow their weights
            bias.zero_()
        self._adopt(spec, weights, biases, seed)

    def _adopt(self, spec: DenseSpec, weights: Sequence[Tensor], biases: Sequence[Tensor], seed: int) -> None:
        self.spec = spec
        self.weights = nn.ParameterList([nn.Parameter(weight) for weight in weights])
        self.biases = nn.ParameterList([nn.Parameter(bias) for bias in biases])
        self.register_buffer("dropout_seed", torch.tensor(seed, dtype=torch.int64))
        self.register_buffer("dropout_step", torch.tensor(0, dtype=torch.int64))

    @classmethod
    def from_arrays(
        cls,
        spec: DenseSpec,
        coefs: Sequence[np.ndarray | Tensor],
        intercepts: Sequence[np.ndarray | Tensor],
        *,
        seed: int = 0,
    ) -> Self:
        """Build a network around weights that exist.

        Parameters
        ----------
        spec : DenseSpec
            Sizes, activations, heads and dropout.
        coefs : sequence of arrays or Tensors of shape (n_in, n_out)
            Weights of each layer, all of one dtype. Writable arrays in memory are not copied: training the network
            changes them.
        intercepts : sequence of arrays or Tensors of shape (n_out,)
            Biases of each layer.
        seed : int, default=0
            Seed of the dropout masks.

        Returns
        -------
        network : DenseNetwork
            The network.

        Raises
        ------
        ValueError
            If a shape or dtype does not fit the specification.

        Examples
        --------
        >>> spec = DenseSpec(2, (), (), (Head(1, "binary_cross_entropy"),))
        >>> network = DenseNetwork.from_arrays(spec, [np.array([[3.0], [-2.0]])], [np.array([1.0])])
        >>> network.predict(torch.tensor([[-1.0, 2.0]], dtype=torch.float64))
        tensor([[0.0025]], dtype=torch.float64)
        """
        weights, biases = [_as_tensor(a) for a in coefs], [_as_tensor(a) for a in intercepts]
        spec.check_arrays([tuple(w.shape) for w in weights], [tuple(b.shape) for b in biases])
        dtypes = {tensor.dtype for tensor in (*weights, *biases)}
        if len(dtypes) > 1 or not weights[0].is_floating_point():
            raise ValueError(
                "`coefs` and `intercepts` must share one floating-point dtype. "
                f"Received: {', '.join(sorted(map(str, dtypes)))}."
            )
        network = cls.__new__(cls)
        nn.Module.__init__(network)
        network._adopt(spec, weights, biases, seed)
        return network

    def matrices(self) -> list[Tensor]:
        """Give the weight matrix of every layer, shape (n_in, n_out); tied ones as transposes.

        Returns
        -------
        matrices : list of Tensors of shape (n_in, n_out)
            One a layer, in the order of the computation.

        Examples
        --------
        >>> spec = DenseSpec(3, (2,), ("tanh",), (Head(3, "mse"),), tied=True)
        >>> [tuple(matrix.shape) for matrix in DenseNetwork(spec).matrices()]
        [(3, 2), (2, 3)]
        """
        own = list(self.weights)
        return own + [weight.T for weight in reversed(own)] if self.spec.tied else own

    def _layers(
        self, x: Tensor, *, training: bool, first: int = 0, stop: int | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Compute (z, a) of the layers from ``first`` to ``stop``, of which x enters the first; the last a is z."""
        a, pairs, last = x, [], self.spec.n_layers - 1
        counters = (int(self.dropout_seed), int(self.dropout_step)) if training and self.spec.dropout else None
        window = slice(first, stop)
        for layer, weight, bias in zip(
            range(last + 1)[window], self.matrices()[window], self.biases[window], strict=True
        ):
            z = torch.addmm(bias, self._drop(a, layer, counters), weight)  # (N, n_out)
            a = z if layer == last else get_activation(self.spec.hidden_activations[layer])(z)
            pairs.append((z, a))
        return pairs

    def _drop(self, a: Tensor, layer: int, counters: tuple[int, int] | None) -> Tensor:
        """Mask what enters a layer; ``counters`` are (seed, step) while training, None when evaluating."""
        probability = self.spec.dropout[layer] if self.spec.dropout else 0.0
        if probability == 0:
            return a
        inverted = self.spec.dropout_form == "inverted"
        if counters is None:
            return a if inverted else a * (1 - probability)  # equals scaling the weights that leave the unit
        kept = a * keep_mask(*counters, layer, a.shape, probability, a.device)
        return kept / (1 - probability) if inverted else kept

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores of the output layer, before the heads' activations.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Inputs, of the dtype of the parameters.

        Returns
        -------
        scores : Tensor of shape (N, sum of the heads' sizes)
            Pre-activations z of the last layer, head after head. In training mode dropout acts.

        Raises
        ------
        ValueError
            If the shape of ``x`` is not ``(N, n_inputs)``.
        TypeError
            If its dtype is not that of the parameters.

        Examples
        --------
        >>> spec = DenseSpec(2, (), (), (Head(1, "binary_cross_entropy"),))
        >>> network = DenseNetwork.from_arrays(spec, [np.array([[3.0], [-2.0]])], [np.array([1.0])])
        >>> network(torch.tensor([[-1.0, 2.0]], dtype=torch.float64)).item()
        -6.0
        """
        self._check_input(x)
        return self._layers(x, training=self.training)[-1][0]

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Compute the activated outputs, without dropout and without gradient.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Inputs, of the dtype of the parameters.

        Returns
        -------
        outputs : Tensor of shape (N, sum of the heads' sizes)
            Predictions, head after head: probabilities of classes, rates of counts, values.

        Examples
        --------
        >>> spec = DenseSpec(2, (), (), (Head(3, "cross_entropy"),))
        >>> DenseNetwork(spec).predict(torch.zeros(4, 2)).sum(dim=1)
        tensor([1., 1., 1., 1.])
        """
        self._check_input(x)
        return self.spec.activate(self._layers(x, training=False)[-1][0])

    def activations(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Compute the pre-activation and the activation of every layer after the input.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Inputs, of the dtype of the parameters.

        Returns
        -------
        layers : list of pairs of Tensors of shape (N, n_out)
            ``(z, a)`` of each layer; the last a is activated by the heads. The activations are those before a mask;
            in training mode the layers after a mask feel it.

        Examples
        --------
        >>> spec = DenseSpec(2, (3,), ("relu",), (Head(1, "mse"),))
        >>> [tuple(z.shape) for z, _ in DenseNetwork(spec).activations(torch.zeros(5, 2))]
        [(5, 3), (5, 1)]
        """
        self._check_input(x)
        pairs = self._layers(x, training=self.training)
        scores = pairs[-1][0]
        return [*pairs[:-1], (scores, self.spec.activate(scores))]

    def _check_input(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.spec.n_inputs:
            raise ValueError(f"`x` must have shape (N, {self.spec.n_inputs}). Received: x of shape {tuple(x.shape)}.")
        dtype = self.biases[0].dtype
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            raise TypeError(f"`x` must have the dtype of the parameters, {dtype}. Received: x of {x.dtype}.")

    def extra_repr(self) -> str:
        """Say the sizes in one line."""
        return " -> ".join(str(size) for size in self.spec.layer_sizes)


def _as_tensor(array: np.ndarray | Tensor) -> Tensor:
    """Take an array as a tensor, sharing the memory where that is allowed."""
    if isinstance(array, Tensor):
        return array.detach()
    array = np.asarray(array)
    return torch.from_numpy(array if array.flags.writeable and all(s >= 0 for s in array.strides) else array.copy())


class DenseLoss(nn.Module):
    r"""The loss of a dense network: the weighted sum of its heads' losses.

    Parameters
    ----------
    spec : DenseSpec
        The network's specification.

    Notes
    -----
    :math:`J = \sum_h \lambda_h J_h`. With several heads, a target that is NaN is a question that was not asked: the
    row does not count for that head, neither in its sum nor in the weight that its mean is divided by. A head with no
    answered row contributes 0.

    Examples
    --------
    >>> spec = DenseSpec(2, (), (), (Head(3, "cross_entropy", name="kind"), Head(1, "mse", name="size")))
    >>> targets = torch.tensor([[1.0, 0.5], [2.0, float("nan")]])
    >>> DenseLoss(spec)(torch.zeros(2, 4), targets)
    tensor(1.3486)
    """

    def __init__(self, spec: DenseSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        scores : Tensor of shape (N, sum of the heads' sizes), float
            What :class:`DenseNetwork` gives: pre-activations.
        targets : Tensor of shape (N, sum of the heads' target widths), float
            Targets, head after head; class numbers as floats.
        sample_weight : Tensor of shape (N,) or None, default=None
            Weight of each row.

        Returns
        -------
        loss : Tensor of shape ()
            The weighted sum over the heads.

        Raises
        ------
        ValueError
            If a shape does not fit the specification.

        Examples
        --------
        >>> spec = DenseSpec(2, (), (), (Head(1, "half_squared"),))
        >>> DenseLoss(spec)(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1))
        tensor(2.5000)
        """
        spec = self.spec
        expected = ((scores.shape[0], spec.layer_sizes[-1]), (scores.shape[0], spec.target_width))
        if (tuple(scores.shape), tuple(targets.shape)) != expected:
            raise ValueError(
                f"`scores` must have shape (N, {expected[0][1]}) and `targets` (N, {expected[1][1]}). "
                f"Received: scores of shape {tuple(scores.shape)}, targets of shape {tuple(targets.shape)}."
            )
        if len(spec.heads) == 1:
            loss = spec.heads[0].loss_of(scores, targets, sample_weight)
            return loss if spec.heads[0].weight == 1 else spec.heads[0].weight * loss
        terms, score_at, target_at = [], 0, 0
        for head in spec.heads:
            z = scores[:, score_at : score_at + head.size]
            y = targets[:, target_at : target_at + head.target_width]
            score_at, target_at = score_at + head.size, target_at + head.target_width
            y, weight = _leave_out_missing(y, sample_weight)
            terms.append(head.weight * head.loss_of(z, y, weight))
        return torch.stack(terms).sum()


def _leave_out_missing(y: Tensor, sample_weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    missing = torch.isnan(y).any(dim=1)  # (N,)
    if not missing.any():
        return y, sample_weight
    answered = (~missing).to(y.dtype)
    weight = answered if sample_weight is None else sample_weight * answered
    return torch.where(missing.unsqueeze(1), 0.0, y), weight
