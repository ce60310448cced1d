"""Records of the optimizers whose rate follows the squared gradients: AdaGrad, RMSProp, Adam, AdamW."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from strata.rules._checks import check_choice, check_number
from strata.rules._specs_common import FORMS, ParameterGroups, coefficients
from strata.rules._torch_optimizers import AdamForm, LectureRMSprop

__all__ = ["ADAM_KINDS", "AdaGrad", "Adam", "AdamW", "RMSProp"]


@dataclass(frozen=True)
class AdaGrad:
    r"""AdaGrad: each parameter's rate falls with the sum of its squared gradients.

    Parameters
    ----------
    learning_rate : float, default=0.01
        Rate :math:`\varepsilon`, > 0.
    eps : float or None, default=None
        Constant :math:`\delta` beside the root, > 0; None is 1e-7 in the lecture's form and 1e-10 in torch's.
    form : {"framework", "lecture"}, default="framework"
        The two have the same shape and differ in the default of ``eps``.

    Raises
    ------
    ValueError
        If a number is outside its range or the form is unknown.
    TypeError
        If a number is not one.

    Notes
    -----
    Duchi et al. [1]_; Goodfellow et al., algorithm 8.4:

    .. math:: r \leftarrow r + g \odot g, \quad w \leftarrow w - \frac{\varepsilon}{\delta + \sqrt{r}} \odot g.

    References
    ----------
    .. [1] J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
       Optimization", JMLR 12, 2011.

    Examples
    --------
    >>> float(AdaGrad(form="lecture").kernel()[1][0])
    1e-07
    """

    learning_rate: float = 0.01
    eps: float | None = None
    form: Literal["framework", "lecture"] = "framework"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_choice("form", self.form, FORMS)
        check_number("eps", self._eps, above=0)

    @property
    def _eps(self) -> float:
        return (1e-10 if self.form == "framework" else 1e-7) if self.eps is None else self.eps

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "adagrad"

    @property
    def n_slots(self) -> int:
        """One sum of squares per parameter."""
        return 1

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record."""
        return torch.optim.Adagrad(params, lr=self.learning_rate, eps=self._eps)

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return kind 2 and ``[eps]``."""
        return 2, coefficients(self._eps)


@dataclass(frozen=True)
class RMSProp:
    r"""RMSProp: each parameter's rate follows a running mean of its squared gradients.

    Parameters
    ----------
    learning_rate : float, default=0.01
        Rate :math:`\varepsilon`, > 0.
    decay : float or None, default=None
        Share :math:`\rho` of the mean that is kept, in [0, 1); None is 0.9 in the lecture's form, 0.99 in torch's.
    eps : float or None, default=None
        Constant :math:`\delta`, > 0; None is 1e-6 in the lecture's form and 1e-8 in torch's.
    form : {"framework", "lecture"}, default="framework"
        Whether the constant is beside the root or inside it.

    Raises
    ------
    ValueError
        If a number is outside its range or the form is unknown.
    TypeError
        If a number is not one.

    Notes
    -----
    Hinton's lecture 6 of 2012; Goodfellow et al., algorithm 8.5. Lecture and framework:

    .. math:: r \leftarrow \rho r + (1 - \rho)\, g \odot g, \qquad
       w \leftarrow w - \frac{\varepsilon\, g}{\sqrt{\delta + r}} \quad\text{or}\quad
       w \leftarrow w - \frac{\varepsilon\, g}{\sqrt{r} + \delta}.

    There is no bias correction: the first step is :math:`\varepsilon / \sqrt{1 - \rho}` long. With the constant
    inside the root, gradients below :math:`\sqrt{\delta}` are damped.

    Examples
    --------
    >>> RMSProp(form="lecture").kernel()[1][:2].tolist()
    [0.9, 1e-06]
    """

    learning_rate: float = 0.01
    decay: float | None = None
    eps: float | None = None
    form: Literal["framework", "lecture"] = "framework"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_choice("form", self.form, FORMS)
        check_number("decay", self._decay, at_least=0, below=1)
        check_number("eps", self._eps, above=0)

    @property
    def _decay(self) -> float:
        return (0.99 if self.form == "framework" else 0.9) if self.decay is None else self.decay

    @property
    def _eps(self) -> float:
        return (1e-8 if self.form == "framework" else 1e-6) if self.eps is None else self.eps

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "rmsprop"

    @property
    def n_slots(self) -> int:
        """One mean of squares per parameter."""
        return 1

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record."""
        kind: Callable[..., torch.optim.Optimizer] = torch.optim.RMSprop if self.form == "framework" else LectureRMSprop
        return kind(params, lr=self.learning_rate, alpha=self._decay, eps=self._eps)

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return kind 3 or 4 and ``[decay, eps]``."""
        return (4 if self.form == "framework" else 3), coefficients(self._decay, self._eps)


@dataclass(frozen=True)
class Adam:
    r"""Adam: momentum over RMSProp, with bias correction.

    Parameters
    ----------
    learning_rate : float, default=0.001
        Rate :math:`\varepsilon`, > 0; the first step is about this long.
    betas : tuple of two floats, default=(0.9, 0.999)
        Shares :math:`\rho_1, \rho_2` of the means of gradients and of squares that are kept, in [0, 1).
    eps : float, default=1e-8
        Constant :math:`\delta`, > 0.
    form : {"framework", "lecture", "efficient"}, default="framework"
        Where the constant stands; see Notes.

    Raises
    ------
    ValueError
        If a number is outside its range or the form is unknown.
    TypeError
        If a number is not one.

    Notes
    -----
    Kingma and Ba [1]_, algorithm 1, which is the framework's form (torch; Goodfellow et al., algorithm 8.7). With

    .. math:: s \leftarrow \rho_1 s + (1 - \rho_1) g, \quad r \leftarrow \rho_2 r + (1 - \rho_2)\, g \odot g, \quad
       \hat s = \frac{s}{1 - \rho_1^t}, \quad \hat r = \frac{r}{1 - \rho_2^t},

    the step is, in the lecture's form (constant inside the root), the framework's, and the efficient form that
    closes section 2 of the paper (scikit-learn),

    .. math:: -\varepsilon \frac{\hat s}{\sqrt{\hat r + \delta}}, \qquad
       -\varepsilon \frac{\hat s}{\sqrt{\hat r} + \delta}, \qquad
       -\varepsilon \frac{\sqrt{1 - \rho_2^t}}{1 - \rho_1^t} \cdot \frac{s}{\sqrt{r} + \delta}.

    An L2 penalty belongs in the gradient; for decoupled decay see :class:`AdamW`.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980.

    Examples
    --------
    >>> Adam(form="efficient").kernel()[0]
    7
    """

    learning_rate: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    form: Literal["framework", "lecture", "efficient"] = "framework"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        _check_adam(self.betas, self.eps, self.form)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "adam"

    @property
    def n_slots(self) -> int:
        """Two means per parameter."""
        return 2

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record."""
        if self.form == "framework":
            return torch.optim.Adam(params, lr=self.learning_rate, betas=self.betas, eps=self.eps)
        return AdamForm(params, lr=self.learning_rate, betas=self.betas, eps=self.eps, form=self.form)

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return kind 5, 6 or 7 and ``[beta_1, beta_2, eps, 0]``."""
        return ADAM_KINDS[self.form], coefficients(*self.betas, self.eps)


@dataclass(frozen=True)
class AdamW:
    r"""Adam with decoupled weight decay.

    Parameters
    ----------
    learning_rate : float, default=0.001
        Rate :math:`\varepsilon`, > 0.
    betas : tuple of two floats, default=(0.9, 0.999)
        Shares of the means of gradients and of squares that are kept, in [0, 1).
    eps : float, default=1e-8
        Constant :math:`\delta`, > 0.
    weight_decay : float, default=0.01
        Decay :math:`\lambda` of weights, >= 0; biases are left alone.
    form : {"framework", "lecture", "efficient"}, default="framework"
        As in :class:`Adam`.

    Raises
    ------
    ValueError
        If a number is outside its range or the form is unknown.
    TypeError
        If a number is not one.

    Notes
    -----
    Loshchilov and Hutter [1]_, algorithm 2, with the rate multiplying the decay as in torch:
    :math:`w \leftarrow (1 - \varepsilon\lambda) w`, then the step of Adam on the gradient without the decay.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv:1711.05101.

    Examples
    --------
    >>> AdamW().kernel()[1][:4].tolist()
    [0.9, 0.999, 1e-08, 0.01]
    """

    learning_rate: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    form: Literal["framework", "lecture", "efficient"] = "framework"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, at_least=0)
        _check_adam(self.betas, self.eps, self.form)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "adamw"

    @property
    def n_slots(self) -> int:
        """Two means per parameter."""
        return 2

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record."""
        if self.form == "framework":
            return torch.optim.AdamW(
                params, lr=self.learning_rate, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay
            )
        return AdamForm(
            params,
            lr=self.learning_rate,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            form=self.form,
        )

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return kind 5, 6 or 7 and ``[beta_1, beta_2, eps, weight_decay]``."""
        return ADAM_KINDS[self.form], coefficients(*self.betas, self.eps, self.weight_decay)


ADAM_KINDS = {"lecture": 5, "framework": 6, "efficient": 7}


def _check_adam(betas: tuple[float, float], eps: float, form: str) -> None:
    """Refuse constants outside the range of Adam."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"`betas` must be two numbers. Received: betas={betas!r}.")
    for index, beta in enumerate(betas):
        check_number(f"betas[{index}]", beta, at_least=0, below=1)
    check_number("eps", eps, above=0)
    check_choice("form", form, ADAM_KINDS)
