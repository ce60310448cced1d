"""The compiled elementary functions against NumPy's long doubles, and what they do with infinities and NaN."""

import numba
import numpy as np
import pytest

from strata.functional import ACTIVATIONS
from strata.rules.compiled import _math
from strata.rules.compiled.activations import ACTIVATION_CODES

EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, np.longdouble(0)),
}


def applied(name):
    function = getattr(_math, name)

    @numba.njit
    def apply(x):
        out = np.empty_like(x)
        for i in range(x.size):
            out[i] = function(x[i])
        return out

    return apply


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_a_few_units_in_the_last_place(name, dtype):
    reach = {"exp": 85.0, "expm1": 80.0}.get(name, 60.0)
    tiny = np.logspace(-30, 0, 500)
    x = np.concatenate([np.linspace(-reach, 0 if name == "expm1" else reach, 40_001), -tiny, tiny]).astype(dtype)
    if name == "expm1":
        x = x[x <= 0]
    with np.errstate(all="ignore"):
        wanted = EXACT[name](x.astype(np.longdouble))
        error = np.abs(applied(name)(x) - wanted) / np.abs(wanted)
    assert float(np.nanmax(error)) < 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends_and_nan(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1e4, -1e4, 0.0], dtype=dtype)
    least = {np.float32: 1e-37, np.float64: 1e-300}[dtype]
    ends = {
        "exp": [np.inf, 0, np.inf, 0, 1],
        "tanh": [1, -1, 1, -1, 0],
        "logistic": [1, 0, 1, 0, 0.5],
        "softplus": [np.inf, 0, 1e4, 0, np.log(2)],
    }
    for name, wanted in ends.items():
        found = applied(name)(x)
        assert np.isnan(found[0])
        np.testing.assert_allclose(found[1:], np.array(wanted, dtype=dtype), rtol=1e-6, atol=least)


def test_every_registered_activation_is_compiled():
    assert {activation.name for activation in ACTIVATIONS.values()} == set(ACTIVATION_CODES)
