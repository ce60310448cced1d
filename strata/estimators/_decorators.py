"""scikit-learn's decorators of methods, with types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils.metaestimators import available_if

__all__ = ["available_when", "fitting"]

_F = TypeVar("_F", bound=Callable[..., Any])


def fitting(method: _F) -> _F:
    """Check the parameters before a method that fits, and let scikit-learn's callbacks go after it."""
    return cast(_F, with_callbacks(_fit_context(prefer_skip_nested_validation=True)(method)))


def available_when(check: Callable[[Any], bool]) -> Callable[[_F], _F]:
    """Let a method be there only when ``check(estimator)`` does not raise AttributeError."""

    def decorate(method: _F) -> _F:
        return cast(_F, available_if(check)(method))

    return decorate
