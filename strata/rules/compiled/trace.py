"""Every quantity of one pass forward and back, by layer, for teaching and for diagnosis."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from strata.nn.dense import DenseSpec
from strata.rules.compiled import passes
from strata.rules.compiled.activations import SLOPE_FROM_OUTPUT
from strata.rules.compiled.layout import Layout

__all__ = ["LayerTrace", "trace_layers"]


class LayerTrace(NamedTuple):
    r"""What one layer computed and learned from a batch.

    Attributes
    ----------
    z : Tensor of shape (n_rows, n_out)
        Pre-activations.
    a : Tensor of shape (n_rows, n_out)
        Activations, before a dropout mask; of the last layer the predictions of the heads.
    delta : Tensor of shape (n_rows, n_out)
        Gradient of the loss with respect to ``z``.
    grad_weight : Tensor of shape (n_in, n_out)
        Gradient of the loss, penalty included, with respect to the weights.
    grad_bias : Tensor of shape (n_out,)
        Gradient with respect to the biases.
    """

    z: Tensor
    a: Tensor
    delta: Tensor
    grad_weight: Tensor
    grad_bias: Tensor


def trace_layers(spec: DenseSpec, layout: Layout, theta: np.ndarray, n_rows: int) -> list[LayerTrace]:
    """Copy the quantities of the last pass out of the work memory.

    Parameters
    ----------
    spec : DenseSpec
        The network.
    layout : Layout
        Tables and buffers, of one thread.
    theta : ndarray of shape (n_parameters,)
        Parameters that the pass used.
    n_rows : int
        Rows of the batch.

    Returns
    -------
    layers : list of LayerTrace
        One for each layer of weights, from the first hidden layer to the output.
    """
    traces, sizes = [], spec.layer_sizes
    for layer in range(1, len(sizes)):
        table = layout.layers[layer]
        start, n_in, n_out = int(layout.layers[layer - 1, passes.WEIGHT]), sizes[layer - 1], sizes[layer]
        split, stop = start + n_in * n_out, start + (n_in + 1) * n_out
        z, a = (layout.rows(layer, buffer, n_rows) for buffer in (passes.PRE, passes.OUT))
        if layer + 1 < len(sizes) and table[passes.CODE] <= SLOPE_FROM_OUTPUT:
            a = z  # the buffer of z holds f(z): the slope is found from it
            inputs = layout.rows(layer - 1, passes.OUT, n_rows)
            z = inputs @ theta[start:split].reshape(n_in, n_out) + theta[split:stop]
        elif layer + 1 < len(sizes) and table[passes.THRESHOLD] > 0:
            mask = layout.rows(layer, passes.MASK, n_rows)
            a = np.divide(a, mask, out=np.full_like(a, np.nan), where=mask != 0)
        parts = (
            z,
            a,
            layout.rows(layer, passes.DELTA, n_rows),
            layout.gradient[start:split].reshape(n_in, n_out),
            layout.gradient[split:stop],
        )
        traces.append(LayerTrace(*(torch.from_numpy(part.copy()) for part in parts)))
    return traces
