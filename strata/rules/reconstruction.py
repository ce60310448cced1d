"""Gradient descent on a reconstruction, with what an autoencoder asks of its codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.functional import kl_sparsity
from strata.functional._reduction import reduce_rows
from strata.functional.losses import Loss
from strata.functional.penalties import Penalty
from strata.models.autoencoder import AutoencoderNetwork, Look
from strata.rules._checks import check_number
from strata.rules._groups import OptimizerBuilder
from strata.rules._losses import LossFunction
from strata.rules.gradient import PRECISIONS, GradientDescent
from strata.rules.optimizers import OptimizerSpec
from strata.rules.schedules import Schedule

__all__ = ["ReconstructionDescent"]


class ReconstructionDescent(GradientDescent):
    r"""Learn to give inputs back, at a price for the codes.

    Parameters
    ----------
    network : nn.Module
        An autoencoder: a module with the methods of :class:`strata.models.AutoencoderNetwork`.
    loss : str, Loss or callable
        Loss of the reconstruction, as :class:`GradientDescent` takes it.
    cost : float, default=1.0
        Factor on the mean cost of the codes, >= 0: beta of a variational autoencoder, the price of a bit.
    sparsity : float, default=0.0
        Strength of the sparsity penalty, >= 0.
    sparsity_target : float or None, default=None
        Mean activity that each unit of the code is to have, in (0, 1), held to by a Kullback-Leibler divergence. None:
        the mean absolute code is penalized instead.
    contraction : float, default=0.0
        Strength of the contractive penalty, >= 0.
    optimizer : str, OptimizerSpec or callable, default="adam"
        As in :class:`GradientDescent`.
    schedule : str or Schedule, default="constant"
        How the rate changes.
    penalty : Penalty, default=Penalty()
        Penalty on weights.
    clip_norm, clip_value : float or None, default=None
        Bounds on the gradient.
    precision : {"full", "bfloat16", "float16"}, default="full"
        Number format of the forward pass.
    fused : bool, default=False
        Update all parameters in one kernel where torch has one.
    count_rows : bool, default=False
        Whether a batch counts in the figures of an epoch by its rows and not by their weights.

    Raises
    ------
    ValueError
        If a strength is negative.
    TypeError
        If ``network`` is no autoencoder.

    See Also
    --------
    CompiledDense : For a dense autoencoder whose codes are free.

    Notes
    -----
    With the batch mean :math:`\langle\cdot\rangle`, weighted where there are sample weights,

    .. math:: \langle L(x, g(f(\tilde x))) \rangle + c \langle \mathrm{cost} \rangle + s \sum_j KL(\rho \| \hat\rho_j)
              + \lambda \langle \lVert \partial f / \partial x \rVert_F^2 \rangle

    Besides ``loss`` and ``weight`` a step logs ``reconstruction``, and ``code_cost`` where codes have a cost.

    Examples
    --------
    >>> from strata.models import DenseAutoencoder
    >>> from strata.nn import DenseSpec, Head
    >>> network = DenseAutoencoder(DenseSpec(4, (2,), ("logistic",), (Head(4, "mse"),), tied=True))
    >>> rule = ReconstructionDescent(network, "mse", contraction=0.1)
    >>> x = torch.rand(8, 4)
    >>> sorted(rule.step(Batch(x, x)))
    ['loss', 'reconstruction', 'weight']
    """

    def __init__(
        self,
        network: nn.Module,
        loss: str | Loss | LossFunction,
        *,
        cost: float = 1.0,
        sparsity: float = 0.0,
        sparsity_target: float | None = None,
        contraction: float = 0.0,
        optimizer: str | OptimizerSpec | OptimizerBuilder = "adam",
        schedule: str | Schedule = "constant",
        penalty: Penalty = Penalty(),  # noqa: B008 - frozen
        clip_norm: float | None = None,
        clip_value: float | None = None,
        precision: Literal["full", "bfloat16", "float16"] = "full",
        fused: bool = False,
        count_rows: bool = False,
    ) -> None:
        if not hasattr(network, "look"):
            raise TypeError(f"`network` must be an autoencoder. Received: network={type(network).__name__}.")
        for name, value in (("cost", cost), ("sparsity", sparsity), ("contraction", contraction)):
            check_number(name, value, at_least=0)
        if sparsity_target is not None:
            check_number("sparsity_target", sparsity_target, above=0, below=1)
        super().__init__(
            network,
            loss,
            optimizer=optimizer,
            schedule=schedule,
            penalty=penalty,
            clip_norm=clip_norm,
            clip_value=clip_value,
            precision=precision,
            fused=fused,
            count_rows=count_rows,
        )
        self.cost, self.sparsity, self.contraction = float(cost), float(sparsity), float(contraction)
        self.sparsity_target = sparsity_target
        self._terms: dict[str, Tensor] = {}

    def _fast_form(self) -> None:
        """Return none: those layers stand in for a forward pass, and this rule looks into the network."""
        return

    def _objective(self, x: Tensor, y: Tensor | None, sample_weight: Tensor | None) -> Tensor:
        """Return the loss of the reconstruction with what the codes cost."""
        network = cast(AutoencoderNetwork, self.network)
        look = self._look(network, x)
        reconstruction: Tensor = cast(Callable[..., Tensor], self.loss)(look.scores, y, sample_weight)
        self._terms = {"reconstruction": reconstruction.detach()}
        total = reconstruction
        if look.cost is not None:
            cost = reduce_rows(look.cost, sample_weight, "mean")
            self._terms["code_cost"] = cost.detach()
            total = total + self.cost * cost
        if self.sparsity:
            total = total + self.sparsity * self._sparsity(look.code, sample_weight)
        if self.contraction:
            total = total + self.contraction * reduce_rows(network.squared_jacobian(x), sample_weight, "mean")
        return total

    def _look(self, network: AutoencoderNetwork, x: Tensor) -> Look:
        """Return scores and codes, computed in the chosen precision."""
        reduced = PRECISIONS[self.precision]
        if reduced is None:
            return network.look(x)
        with torch.autocast(x.device.type, dtype=reduced):
            scores, code, cost = network.look(x)
        return Look(scores.float(), code.float(), None if cost is None else cost.float())

    def _sparsity(self, code: Tensor, sample_weight: Tensor | None) -> Tensor:
        if self.sparsity_target is None:
            return reduce_rows(code.abs().flatten(1).sum(dim=1), sample_weight, "mean")
        activity = code if sample_weight is None else code * (sample_weight / sample_weight.mean()).unsqueeze(1)
        return kl_sparsity(activity.mean(dim=0), self.sparsity_target)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch and return its loss, penalties included, the terms of it, and its weight."""
        figures = super().step(batch)
        return {**figures, **self._terms}

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the same figures of one batch, in evaluation mode."""
        figures = super().evaluate(batch)
        return {**figures, **self._terms}

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            **super().describe(),
            "cost": self.cost,
            "sparsity": self.sparsity,
            "sparsity_target": self.sparsity_target,
            "contraction": self.contraction,
        }
