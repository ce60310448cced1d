r"""Optimizers: how a gradient becomes a change of the parameters, in the lecture's form and the frameworks'.

A *spec* is a frozen record of an optimizer's constants. It can become two things that do the same arithmetic:
:meth:`OptimizerSpec.build` gives a :class:`torch.optim.Optimizer`, and :meth:`OptimizerSpec.kernel` gives a number
and a vector of coefficients for an elementwise compiled loop.

**The kernel's contract.** For one step ``t`` (counted from 1) with rate ``a`` (of the schedule), gradient ``g`` of
the parameter ``w``, and ``n_slots`` state values per parameter, ``p`` and ``q``, all zero before the first step,
``c`` being the coefficients (always 8 numbers, the unused ones 0):

====  =============================  =============================================================================
kind  optimizer, form                update
====  =============================  =============================================================================
0     SGD, lecture                   ``g += c[2] w``; without momentum (no slot) ``w -= a g``, else
                                     ``p = c[0] p - a g``; ``w += p``, or if ``c[1]``: ``w += c[0] p - a g``
1     SGD, framework                 ``g += c[2] w``; without momentum (no slot) ``w -= a g``, else
                                     ``p = c[0] p + g``; ``w -= a p``, or if ``c[1]``: ``w -= a (g + c[0] p)``
2     AdaGrad, both                  ``p += g g``; ``w -= a g / (sqrt(p) + c[0])``
3     RMSProp, lecture               ``p = c[0] p + (1 - c[0]) g g``; ``w -= a g / sqrt(p + c[1])``
4     RMSProp, framework             ``p`` likewise; ``w -= a g / (sqrt(p) + c[1])``
5     Adam(W), lecture               ``w *= 1 - a c[3]``; ``p = c[0] p + (1 - c[0]) g``;
                                     ``q = c[1] q + (1 - c[1]) g g``; with ``P = p / (1 - c[0]^t)`` and
                                     ``Q = q / (1 - c[1]^t)``: ``w -= a P / sqrt(Q + c[2])``
6     Adam(W), framework             the same with ``w -= a P / (sqrt(Q) + c[2])``
7     Adam(W), efficient             the same with ``w -= a sqrt(1 - c[1]^t) / (1 - c[0]^t) p / (sqrt(q) + c[2])``
8     Rprop, plus (backtracking)     ``p`` the sign of the last gradient (0 after a reversal), ``q`` the step size;
                                     at ``t == 1``: ``q = a``. With ``s = sign(g)``:
                                     if ``p s < 0``: ``w += p q``; ``q = max(c[0] q, c[2])``; ``p = 0``; else
                                     (if ``p s > 0``: ``q = min(c[1] q, c[3])``;) ``w -= s q``; ``p = s``
9     Rprop, minus                   ``q`` likewise from ``p s``; then always ``w -= s q``; ``p = s``
10    Rprop, framework (iRprop-)     ``q = clip(q c[1] or q c[0] or q, c[2], c[3])`` from ``p s > 0``, ``< 0``,
                                     ``= 0``; if ``p s < 0``: ``s = 0``; ``w -= s q``; ``p = s``
====  =============================  =============================================================================

``c[2]`` of kinds 0 and 1 and ``c[3]`` of kinds 5 to 7 are weight decay: they act on weights, never on biases or
normalization gains. ``g`` holds the penalty's part already, and is clipped already. Rprop (kinds 8 to 10) has its
stop threshold in ``c[4]``, -1 when there is none: **before** the update, if ``max |g| <= c[4]`` over all parameters
the step changes nothing and the rule has converged. Rprop uses the schedule's rate only as its first step size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from strata._names import unknown_name
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules._torch_optimizers import (
    AdamForm,
    LectureRMSprop,
    LectureSGD,
    RpropForm,
)

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "OptimizerSpec",
    "RMSProp",
    "Rprop",
    "get_optimizer",
]

#: What torch's optimizers take: tensors, or dictionaries of ``params`` and options (weights and biases apart).
ParameterGroups: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]]

_FORMS = ("framework", "lecture")
_N_COEFFICIENTS = 8


def _coefficients(*values: float) -> np.ndarray:
    """Pad with zeros to the fixed length of the kernel's vector."""
    vector = np.zeros(_N_COEFFICIENTS)
    vector[: len(values)] = values
    return vector


@runtime_checkable
class OptimizerSpec(Protocol):
    """What every optimizer's record of constants offers.

    Attributes
    ----------
    name : str
        Name in the registry, without the form.
    form : str
        ``"lecture"``, ``"framework"`` or one that the class documents.
    learning_rate : float
        Base rate; a schedule may change it from step to step.
    n_slots : int
        State values per parameter that the compiled loop keeps, all zero before the first step.
    """

    @property
    def name(self) -> str:
        """Name in the registry, without the form."""
        ...

    @property
    def form(self) -> str:
        """Which form the update has."""
        ...

    @property
    def learning_rate(self) -> float:
        """Base rate."""
        ...

    @property
    def n_slots(self) -> int:
        """State values per parameter of the compiled loop."""
        ...

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record."""
        ...

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return the kind and the 8 coefficients of the compiled update (table in the module)."""
        ...


@dataclass(frozen=True)
class SGD:
    r"""Stochastic gradient descent, with momentum and Nesterov's look-ahead.

    Parameters
    ----------
    learning_rate : float, default=0.01
        Rate :math:`\varepsilon`, > 0.
    momentum : float, default=0.0
        Share :math:`\mu` of the last velocity that is kept, in [0, 1).
    nesterov : bool, default=False
        Whether to look one momentum step ahead; needs ``momentum > 0``.
    form : {"framework", "lecture"}, default="framework"
        How the rate meets the velocity; the two differ as soon as the rate changes.
    weight_decay : float, default=0.0
        L2 coefficient :math:`\lambda` added to the gradient of weights, >= 0; biases are left alone.

    Raises
    ------
    ValueError
        If a number is outside its range, the form is unknown, or ``nesterov`` comes without momentum.
    TypeError
        If a number is not one.

    Notes
    -----
    With :math:`g` the gradient plus :math:`\lambda w`. Lecture (Goodfellow et al. [1]_, algorithms 8.1 and 8.2;
    scikit-learn): the velocity is in parameter units, old steps keep their old rate,

    .. math:: v \leftarrow \mu v - \varepsilon g, \quad w \leftarrow w + v \quad
       (\text{Nesterov: } w \leftarrow w + \mu v - \varepsilon g).

    Framework (``torch.optim.SGD``): the velocity is in gradient units, a new rate acts on old steps too,

    .. math:: v \leftarrow \mu v + g, \quad w \leftarrow w - \varepsilon v \quad
       (\text{Nesterov: } w \leftarrow w - \varepsilon (g + \mu v)).

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", MIT Press, 2016, chapter 8.

    Examples
    --------
    >>> SGD(learning_rate=0.1, momentum=0.9).kernel()[0]
    1
    >>> SGD(form="lecture").n_slots
    0
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    form: Literal["framework", "lecture"] = "framework"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("momentum", self.momentum, at_least=0, below=1)
        check_choice("form", self.form, _FORMS)
        check_number("weight_decay", self.weight_decay, at_least=0)
        if self.nesterov and self.momentum == 0:
            raise ValueError("`nesterov` must come with a `momentum` > 0. Received: nesterov=True, momentum=0.0.")

    @property
    def name(self) -> str:
        """Name in the registry: ``"sgd"``, ``"momentum"`` or ``"nesterov"``."""
        if self.nesterov:
            return "nesterov"
        return "momentum" if self.momentum else "sgd"

    @property
    def n_slots(self) -> int:
        """One velocity per parameter, none without momentum."""
        return 1 if self.momentum else 0

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return the optimizer of torch that follows this record."""
        kind: Callable[..., torch.optim.Optimizer] = torch.optim.SGD if self.form == "framework" else LectureSGD
        return kind(
            params,
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )

    def kernel(self) -> tuple[int, np.ndarray]:
        """Return kind 0 or 1 and ``[momentum, nesterov, weight_decay]``."""
        kind = 1 if self.form == "framework" else 0
        return kind, _coefficients(self.momentum, float(self.nesterov), self.weight_decay)


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
        check_choice("form", self.form, _FORMS)
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
        return 2, _coefficients(self._eps)


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
        check_choice("form", self.form, _FORMS)
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
        return (4 if self.form == "framework" else 3), _coefficients(self._decay, self._eps)


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
        return _ADAM_KINDS[self.form], _coefficients(*self.betas, self.eps)


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
        return _ADAM_KINDS[self.form], _coefficients(*self.betas, self.eps, self.weight_decay)


_ADAM_KINDS = {"lecture": 5, "framework": 6, "efficient": 7}


def _check_adam(betas: tuple[float, float], eps: float, form: str) -> None:
    """Refuse constants outside the range of Adam."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"`betas` must be two numbers. Received: betas={betas!r}.")
    for index, beta in enumerate(betas):
        check_number(f"betas[{index}]", beta, at_least=0, below=1)
    check_number("eps", eps, above=0)
    check_choice("form", form, _ADAM_KINDS)


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
        return _RPROP_KINDS[self.form], _coefficients(*self.factors, *self._limits, threshold)


_RPROP_KINDS = {"plus": 8, "minus": 9, "framework": 10}


@dataclass(frozen=True)
class LBFGS:
    r"""Limited-memory BFGS with a line search, for full batches: one step is one iteration.

    Parameters
    ----------
    learning_rate : float, default=1.0
        First trial step length of the line search, > 0.
    history_size : int, default=10
        Pairs of changes of parameters and gradients that are kept, >= 1.
    tol : float, default=1e-5
        Stop when no partial derivative is larger, >= 0.
    max_fun : int, default=15000
        Stop after so many evaluations of the loss and its gradient, >= 1.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If a number is not one.

    Notes
    -----
    Nocedal and Wright [1]_, algorithms 7.4 and 7.5, with strong Wolfe conditions: ``torch.optim.LBFGS`` with
    ``max_iter=1`` and ``line_search_fn="strong_wolfe"``. It has no elementwise kernel; see
    :class:`strata.rules.LBFGSRule`.

    References
    ----------
    .. [1] J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, Springer, 2006.

    Examples
    --------
    >>> LBFGS(tol=1e-8).name
    'lbfgs'
    """

    learning_rate: float = 1.0
    history_size: int = 10
    tol: float = 1e-5
    max_fun: int = 15000

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0)
        check_count("history_size", self.history_size)
        check_number("tol", self.tol, at_least=0)
        check_count("max_fun", self.max_fun)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "lbfgs"

    @property
    def form(self) -> str:
        """The only form, torch's."""
        return "framework"

    @property
    def n_slots(self) -> int:
        """No elementwise state."""
        return 0

    def build(self, params: ParameterGroups) -> torch.optim.Optimizer:
        """Return ``torch.optim.LBFGS`` for one iteration per step."""
        return torch.optim.LBFGS(
            params,
            lr=self.learning_rate,
            max_iter=1,
            max_eval=25,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=self.history_size,
            line_search_fn="strong_wolfe",
        )

    def kernel(self) -> tuple[int, np.ndarray]:
        """Raise ``ValueError``: a line search is not an elementwise update."""
        raise ValueError("`optimizer` must be one with an elementwise update. Received: LBFGS. Use `LBFGSRule`.")


def _registry() -> dict[str, OptimizerSpec]:
    """List every name with the record that it stands for, forms as suffixes."""
    bare: dict[str, OptimizerSpec] = {
        "sgd": SGD(),
        "momentum": SGD(momentum=0.9),
        "nesterov": SGD(momentum=0.9, nesterov=True),
        "adagrad": AdaGrad(),
        "rmsprop": RMSProp(),
        "adam": Adam(),
        "adamw": AdamW(),
    }
    table = dict(bare)
    for name, spec in bare.items():
        forms = tuple(_ADAM_KINDS) if name.startswith("adam") else _FORMS
        table.update({f"{name}-{form}": replace(spec, form=form) for form in forms})
    table["rprop"] = Rprop()
    table.update({f"rprop-{form}": Rprop(form=form) for form in ("plus", "minus", "framework")})  # type: ignore[arg-type]
    table.update({"rprop+": Rprop(), "rprop-": Rprop(form="minus"), "lbfgs": LBFGS()})
    return table


#: Every optimizer by name: a bare name is the framework's form (Rprop: the lecture's), a suffix names another.
OPTIMIZERS: dict[str, OptimizerSpec] = _registry()


def get_optimizer(optimizer: str | OptimizerSpec, *, learning_rate: float | None = None) -> OptimizerSpec:
    """Return the record of an optimizer by name, with another rate if one is given.

    Parameters
    ----------
    optimizer : str or OptimizerSpec
        A name of :data:`OPTIMIZERS`, such as ``"adam"``, ``"adam-lecture"`` or ``"rprop-plus"``, or a record.
    learning_rate : float or None, default=None
        Base rate, > 0, in place of the record's own.

    Returns
    -------
    spec : OptimizerSpec
        The record; the same object where nothing changes.

    Raises
    ------
    ValueError
        If the name is unknown or the rate is not positive.
    TypeError
        If ``optimizer`` is neither a name nor a record.

    Examples
    --------
    >>> get_optimizer("momentum", learning_rate=0.1)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False, form='framework', weight_decay=0.0)
    """
    if isinstance(optimizer, str):
        if optimizer.lower() not in OPTIMIZERS:
            raise ValueError(unknown_name("optimizer", optimizer, OPTIMIZERS))
        spec = OPTIMIZERS[optimizer.lower()]
    elif isinstance(optimizer, type) or not isinstance(optimizer, OptimizerSpec):
        raise TypeError(
            "`optimizer` must be a name or a record such as Adam(learning_rate=0.01). "
            f"Received: optimizer={optimizer!r}."
        )
    else:
        spec = optimizer
    if learning_rate is None:
        return spec
    return replace(spec, learning_rate=learning_rate)  # type: ignore[type-var]
