"""What the records of optimizers share: the vector of coefficients and the type of parameter groups."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

__all__ = ["FORMS", "ParameterGroups", "coefficients"]

#: What torch's optimizers take: tensors, or dictionaries of ``params`` and options (weights and biases apart).
ParameterGroups: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]]

FORMS = ("framework", "lecture")
_N_COEFFICIENTS = 8


def coefficients(*values: float) -> np.ndarray:
    """Pad with zeros to the fixed length of the kernel's vector."""
    vector = np.zeros(_N_COEFFICIENTS)
    vector[: len(values)] = values
    return vector
