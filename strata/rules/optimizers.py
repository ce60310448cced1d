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

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch

from strata._names import unknown_name
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules._specs_adaptive import ADAM_KINDS, AdaGrad, Adam, AdamW, RMSProp
from strata.rules._specs_common import FORMS, ParameterGroups, coefficients
from strata.rules._specs_rprop import Rprop
from strata.rules._torch_optimizers import LectureSGD

__all__ = [
    "AdaGrad",
    "Adam",
    "AdamW",
    "LBFGS",
    "OPTIMIZERS",
    "OptimizerSpec",
    "RMSProp",
    "Rprop",
    "SGD",
    "describe_optimizer",
    "get_optimizer",
]


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
        check_choice("form", self.form, FORMS)
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
        return kind, coefficients(self.momentum, float(self.nesterov), self.weight_decay)


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
    bare: dict[str, Any] = {
        "sgd": SGD(),
        "momentum": SGD(momentum=0.9),
        "nesterov": SGD(momentum=0.9, nesterov=True),
        "adagrad": AdaGrad(),
        "rmsprop": RMSProp(),
        "adam": Adam(),
        "adamw": AdamW(),
    }
    table: dict[str, OptimizerSpec] = dict(bare)
    for name, spec in bare.items():
        forms = tuple(ADAM_KINDS) if name.startswith("adam") else FORMS
        table.update({f"{name}-{form}": replace(spec, form=form) for form in forms})
    table["rprop"] = Rprop()
    for kind in ("plus", "minus", "framework"):
        table[f"rprop-{kind}"] = replace(Rprop(), form=kind)
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
        spec: Any = OPTIMIZERS[optimizer.lower()]
    elif isinstance(optimizer, type) or not isinstance(optimizer, OptimizerSpec):
        raise TypeError(
            "`optimizer` must be a name or a record such as Adam(learning_rate=0.01). "
            f"Received: optimizer={optimizer!r}."
        )
    else:
        spec = optimizer
    chosen: OptimizerSpec = spec if learning_rate is None else replace(spec, learning_rate=learning_rate)
    return chosen


def describe_optimizer(spec: OptimizerSpec) -> dict[str, Any]:
    """Return an optimizer's name and constants, JSON-able.

    Parameters
    ----------
    spec : OptimizerSpec
        A record of constants.

    Returns
    -------
    description : dict
        ``"name"`` and every field of the record.

    Examples
    --------
    >>> describe_optimizer(AdaGrad())
    {'name': 'adagrad', 'learning_rate': 0.01, 'eps': None, 'form': 'framework'}
    """
    return {"name": spec.name, **asdict(spec)}  # type: ignore[call-overload]
