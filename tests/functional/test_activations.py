"""Activations against the canon's table (L section 3), NumPy and automatic differentiation."""

import math

import numpy as np
import pytest
import torch

from strata.functional import ACTIVATIONS, Activation, get_activation, log_softmax, relu, sigmoid, softmax, step, tanh

F64 = torch.float64
ELEMENTWISE = sorted(name for name, activation in ACTIVATIONS.items() if activation.elementwise)
POINTS = torch.tensor(
    [-7.3, -3.1, -2.9, -1.2, -0.6, -0.1, 0.1, 0.4, 0.9, 1.3, 2.8, 3.2, 5.9, 6.4], dtype=F64
)  # no kinks
KINKS = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0, 6.0], dtype=F64)

# z, sigma, sigma', tanh, tanh': canon, section 3
TABLE = [
    (-2.0, 0.1192029220, 0.1049935854, -0.9640275801, 0.0706508249),
    (-1.0, 0.2689414214, 0.1966119332, -0.7615941560, 0.4199743416),
    (0.0, 0.5, 0.25, 0.0, 1.0),
    (0.5, 0.6224593312, 0.2350037122, 0.4621171573, 0.7864477330),
    (1.0, 0.7310585786, 0.1966119332, 0.7615941560, 0.4199743416),
    (3.0, 0.9525741268, 0.0451766597, 0.9950547537, 0.0098660372),
]


def _erf_gelu(z: float) -> float:
    return z * 0.5 * (1 + math.erf(z / math.sqrt(2)))


# Written again from the papers, on Python floats.
REFERENCES = {
    "celu": lambda z: z if z > 0 else math.exp(z) - 1,
    "clipped_linear": lambda z: max(0.0, min(1.0, z)),
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "exp": math.exp,
    "gelu": _erf_gelu,
    "hardsigmoid": lambda z: max(0.0, min(1.0, z / 6 + 0.5)),
    "hardswish": lambda z: z * max(0.0, min(6.0, z + 3)) / 6,
    "hardtanh": lambda z: max(-1.0, min(1.0, z)),
    "identity": lambda z: z,
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "linear": lambda z: z,
    "logistic": lambda z: 1 / (1 + math.exp(-z)),
    "mish": lambda z: z * math.tanh(math.log1p(math.exp(z))),
    "relu": lambda z: max(0.0, z),
    "relu6": lambda z: max(0.0, min(6.0, z)),
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (math.exp(z) - 1)),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "silu": lambda z: z / (1 + math.exp(-z)),
    "softplus": lambda z: math.log1p(math.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "step": lambda z: 1.0 if z > 0 else 0.0,
    "swish": lambda z: z / (1 + math.exp(-z)),
    "tanh": math.tanh,
}


@pytest.mark.parametrize(("z", "s", "ds", "t", "dt"), TABLE)
def test_canon_values(z: float, s: float, ds: float, t: float, dt: float) -> None:
    point = torch.tensor([z], dtype=F64)
    logistic, hyperbolic = get_activation("logistic"), get_activation("tanh")
    found = [sigmoid(point), logistic.derivative(point), tanh(point), hyperbolic.derivative(point)]
    assert [value.item() for value in found] == pytest.approx([s, ds, t, dt], abs=1e-9)


def test_every_elementwise_activation_has_a_reference() -> None:
    assert sorted(REFERENCES) == ELEMENTWISE


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_equal_the_written_formula(name: str) -> None:
    z = torch.cat([POINTS, KINKS])
    expected = [REFERENCES[name](value) for value in z.tolist()]
    np.testing.assert_allclose(get_activation(name)(z).numpy(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_equals_autograd_at_the_kinks_too(name: str) -> None:
    activation = get_activation(name)
    z = torch.cat([POINTS, KINKS]).requires_grad_()
    (gradient,) = torch.autograd.grad(activation(z).sum(), z)
    torch.testing.assert_close(activation.derivative(z.detach()), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_equals_central_differences(name: str) -> None:
    activation, h = get_activation(name), 1e-6
    differences = (activation(POINTS + h) - activation(POINTS - h)) / (2 * h)
    torch.testing.assert_close(activation.derivative(POINTS), differences, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_gradcheck(name: str) -> None:
    z = POINTS.clone().view(2, 7).requires_grad_()
    assert torch.autograd.gradcheck(get_activation(name), (z,))


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"exp"}))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_inputs_stay_finite_and_keep_their_dtype(name: str, dtype: torch.dtype) -> None:
    z = torch.tensor([[-1e4, -100.0, 0.0, 100.0, 1e4]], dtype=dtype, requires_grad=True)
    a = get_activation(name)(z)
    (gradient,) = torch.autograd.grad(a.sum(), z)
    assert a.dtype == dtype
    assert torch.isfinite(a).all() and torch.isfinite(gradient).all()
    if get_activation(name).elementwise:
        slope = get_activation(name).derivative(z.detach())
        assert slope.dtype == dtype
        assert torch.isfinite(slope).all()


def test_softmax_golden_and_shift() -> None:
    expected = torch.tensor([0.0900305732, 0.2447284711, 0.6652409558], dtype=F64)
    z = torch.tensor([1.0, 2.0, 3.0], dtype=F64)
    torch.testing.assert_close(softmax(z), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(softmax(z + 999), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_softmax(z).exp(), expected, rtol=0, atol=1e-9)


def test_softmax_jacobian() -> None:
    z = torch.tensor([1.0, 2.0, 3.0], dtype=F64)
    jacobian = get_activation("softmax").jacobian(z)
    first = torch.tensor([0.0819250691, -0.0220330445, -0.0598920245], dtype=F64)
    torch.testing.assert_close(jacobian[0], first, rtol=0, atol=1e-9)
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(softmax, z), rtol=0, atol=1e-14)
    assert get_activation("softmax").jacobian(torch.zeros(4, 3)).shape == (4, 3, 3)


def test_jacobian_of_an_elementwise_activation_is_diagonal() -> None:
    z = POINTS[:3]
    jacobian = get_activation("tanh").jacobian(z)
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(torch.tanh, z))


def test_two_class_softmax_is_a_sigmoid_of_the_difference() -> None:
    z = torch.randn(20, 2, dtype=F64)
    torch.testing.assert_close(softmax(z)[:, 0], sigmoid(z[:, 0] - z[:, 1]), rtol=1e-13, atol=0)


def test_derivative_identities() -> None:
    z = torch.linspace(-4, 4, 41, dtype=F64)
    s, t = sigmoid(z), tanh(z)
    torch.testing.assert_close(get_activation("logistic").derivative(z), s * (1 - s))
    torch.testing.assert_close(get_activation("tanh").derivative(z), 1 - t**2)
    torch.testing.assert_close(t, 2 * sigmoid(2 * z) - 1)
    assert get_activation("logistic").derivative(z).max() == 0.25
    assert get_activation("tanh").derivative(z).max() == 1.0


def test_step_and_relu_at_zero() -> None:
    zero = torch.tensor([0.0, -0.0])
    assert step(zero).tolist() == [0.0, 0.0]
    assert relu(zero).tolist() == [0.0, 0.0]
    assert get_activation("relu").derivative(zero).tolist() == [0.0, 0.0]
    assert get_activation("step").derivative(torch.ones(2)).tolist() == [0.0, 0.0]


def test_aliases_are_the_same_objects() -> None:
    assert get_activation("sigmoid") is get_activation("logistic")
    assert get_activation("linear") is get_activation("identity")
    assert get_activation("swish") is get_activation("silu")


def test_a_function_of_ones_own_is_differentiated() -> None:
    z = torch.linspace(-1, 1, 5, dtype=F64)
    wrapped = get_activation(torch.sin)
    assert isinstance(wrapped, Activation)
    assert wrapped.name == "sin"
    with torch.no_grad():
        torch.testing.assert_close(wrapped.derivative(z), torch.cos(z))
    assert get_activation(wrapped) is wrapped


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"Unknown activation 'rleu'\. Did you mean 'relu'\? Available: celu, "):
        get_activation("rleu")
    with pytest.raises(
        TypeError, match=r"`activation` must be a name, an Activation or a callable\. Received: activation=3"
    ):
        get_activation(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Activation 'softmax' must be elementwise .* Use jacobian\(z\)"):
        get_activation("softmax").derivative(torch.zeros(2))
    with pytest.raises(ValueError, match=r"Activation 'mine' must be elementwise or softmax"):
        Activation("mine", torch.softmax, elementwise=False).jacobian(torch.zeros(2))  # type: ignore[arg-type]
