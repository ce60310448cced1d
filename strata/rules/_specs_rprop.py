"""Record of Rprop, whose steps follow the gradient's sign alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from strata.rules._checks import check_choice, check_number
from strata.rules._specs_common import ParameterGroups, coefficients
from strata.rules._torch_optimizers import RpropForm

__all__ = ["Rprop"]


@dataclass(frozen=True)
class Rprop:
    r"""Resilient back-propagation: steps whose size follows the gradient's sign alone.

    For full batches only: the signs of a minibatch's gradient are noise.

    Parameters
    ----------
    learning_rate : float, default=0.1
        First step size :math:`\Delta` of every parameter, > 0.
    factors : tuple of two floats, default=(0.5, 1.2)
        What a step size is multiplied by when the sign turns, in (0, 1), and when it stays, > 1.
    limits : tuple of two floats or None, default=None
        Smallest and largest step size; None is (1e-10, 0.1) as in R's neuralnet, (1e-6, 50) in torch's form.
    form : {"plus", "minus", "framework"}, default="plus"
        ``"plus"`` takes back the step after which the sign turned (Rprop+; neuralnet's ``rprop+``); ``"minus"``
        does not (Rprop-; neuralnet's ``rprop-``); ``"framework"`` is ``torch.optim.Rprop``, which skips the step
        and forgets the sign (iRprop- of Igel and Hüsken).
    threshold : float or None, default=None
        Stop when no partial derivative is larger, >= 0; None never stops.

    Raises
    ------
    ValueError
        If a number is outside its range or the form is unknown.
    TypeError
        If a number is not one.

    Notes
    -----
    Riedmiller [1]_; per parameter, with :math:`s = \operatorname{sign}(g)` and :math:`p` the kept sign:

    .. math::
       p s > 0 &: \Delta \leftarrow \min(1.2 \Delta, \Delta_{\max}), \quad w \leftarrow w - s \Delta, \quad
       p \leftarrow s \\
       p s < 0 &: w \leftarrow w + p \Delta, \quad \Delta \leftarrow \max(0.5 \Delta, \Delta_{\min}), \quad
       p \leftarrow 0 \\
       p s = 0 &: w \leftarrow w - s \Delta, \quad p \leftarrow s.

    The threshold is compared with the gradient before the update, and a step that meets it changes nothing; the
    count of steps is then that of neuralnet, which begins at 1.

    References
    ----------
    .. [1] M. Riedmiller, "Rprop - Description and Implementation Details", University of Karlsruhe, 1994.
    .. [2] C. Igel, M. Hüsken, "Empirical evaluation of the improved Rprop learning algorithms",
       Neurocomputing 50, 2003.

    Examples
    --------
    >>> kind, coefficients = Rprop(threshold=0.01).kernel()
    >>> kind, coefficients[:5].tolist()
    (8, [0.5, 1.2, 1e-10, 0.1, 0.01])
    """

    learning_rate: float = 0.1
    factors: tuple[float, float] = (0.5, 1.2)
    limits: tuple[float, float] | None = None
    form: Literal["plus", "minus", "framework"] = "plus"
    threshold: float | None = None

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_choice("form", self.form, _RPROP_KINDS)
        for name, pair in (("factors", self.factors), ("limits", self._limits)):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(f"`{name}` must be two numbers. Received: {name}={pair!r}.")
        check_number("factors[0]", self.factors[0], above=0, below=1)
        check_number("factors[1]", self.factors[1], above=1)
        check_number("limits[0]", self._limits[0], above=0)
        check_number("limits[1]", self._limits[1], at_least=self._limits[0])
        if self.threshold is not None:
            check_number("threshold", self.threshold, at_least=0)

    @property
    def _limits(self) -> tuple[float, float]:
        if self.limits is not None:
            return self.limits
        return (1e-6, 50.0) if self.form == "framework" else (1e-10, 0.1)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "rprop"

    @property
    def n_slots(self) -> int:
        """A sign and a step size per parameter."""
        return 2

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record; the threshold is the rule's business."""
        if self.form == "framework":
            return torch.optim.Rprop(params, lr=self.learning_rate, etas=self.factors, step_sizes=self._limits)
        return RpropForm(params, lr=self.learning_rate, etas=self.factors, step_sizes=self._limits, form=self.form)

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return kind 8, 9 or 10 and ``[down, up, smallest, largest, threshold or -1]``."""
        threshold = -1.0 if self.threshold is None else self.threshold
        return _RPROP_KINDS[self.form], coefficients(*self.factors, *self._limits, threshold)


_RPROP_KINDS = {"plus": 8, "minus": 9, "framework": 10}
