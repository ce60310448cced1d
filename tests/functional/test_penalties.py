"""Penalties and constraints against the canon's section 9."""

import numpy as np
import pytest
import torch

from strata.functional import Penalty, clip_max_norm, elastic_net, l1_penalty, l2_penalty, soft_threshold

F64 = torch.float64
H = torch.tensor([1.0, 10.0], dtype=F64)  # curvatures
BEST = torch.tensor([3.0, -0.2], dtype=F64)  # optimum without penalty


def _descend(penalty: Penalty, *, n_steps: int = 3000, rate: float = 0.05) -> torch.Tensor:
    """Minimise 1/2 sum h (w - w*)^2 plus the penalty by gradient steps."""
    w = torch.zeros(2, 1, dtype=F64)
    for _ in range(n_steps):
        w -= rate * (H[:, None] * (w - BEST[:, None]) + penalty.gradient(w))
        penalty.constrain_(w, rate)
    return w[:, 0]


def test_values() -> None:
    weights = [torch.tensor([[1.0, -2.0], [0.0, 0.5]], dtype=F64), torch.tensor([[3.0]], dtype=F64)]
    assert l1_penalty(weights) == 6.5
    assert l2_penalty(weights) == 0.5 * 14.25
    assert elastic_net(weights, l1=0.1, l2=0.4) == pytest.approx(0.65 + 2.85)
    assert elastic_net(iter(weights), l1=0.1, l2=0.4) == pytest.approx(0.65 + 2.85)
    assert l1_penalty([]) == 0


@pytest.mark.parametrize("form", ["subgradient", "proximal"])
@pytest.mark.parametrize("per_sample", [False, True])
def test_penalty_value_and_gradient(form: str, per_sample: bool) -> None:
    weights = [torch.randn(3, 2, dtype=F64).requires_grad_(), torch.randn(2, 4, dtype=F64).requires_grad_()]
    penalty = Penalty(l1=0.3, l2=0.7, l1_form=form, per_sample=per_sample)  # type: ignore[arg-type]
    value = penalty.value(weights, total_weight=8.0)
    arrays = [weight.detach().numpy() for weight in weights]
    expected = sum(0.3 * np.abs(a).sum() + 0.35 * (a**2).sum() for a in arrays) / (8 if per_sample else 1)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    smooth = Penalty(l1=0.3 if form == "subgradient" else 0.0, l2=0.7, per_sample=per_sample)
    gradients = torch.autograd.grad(smooth.value(weights, total_weight=8.0), weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        torch.testing.assert_close(penalty.gradient(weight, total_weight=8.0), gradient, rtol=1e-13, atol=0)


def test_gradcheck_away_from_zero() -> None:
    weights = [torch.randn(3, 2, dtype=F64).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(lambda *w: elastic_net(w, l1=0.3, l2=0.7), weights)


def test_subgradient_at_zero_is_zero() -> None:
    zero = torch.zeros(2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(l1_penalty([zero]), zero)
    assert gradient.eq(0).all()
    assert Penalty(l1=1.0).gradient(zero).eq(0).all()


def test_l2_optimum_of_the_canon() -> None:
    expected = torch.tensor([2.0, -0.1904761905], dtype=F64)
    torch.testing.assert_close(_descend(Penalty(l2=0.5)), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(expected, H * BEST / (H + 0.5), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("alpha", "optimum"), [(0.5, [2.5, -0.15]), (3.0, [0.0, 0.0])])
def test_l1_optimum_of_the_canon_by_proximal_steps(alpha: float, optimum: list[float]) -> None:
    found = _descend(Penalty(l1=alpha, l1_form="proximal"))
    torch.testing.assert_close(found, torch.tensor(optimum, dtype=F64), rtol=0, atol=1e-12)
    torch.testing.assert_close(found, soft_threshold(BEST, alpha / H), rtol=0, atol=1e-12)
    if alpha == 3.0:
        assert found.eq(0).all()  # exact zeros, which the subgradient does not give
        assert not _descend(Penalty(l1=alpha), rate=0.037).eq(0).any()


def test_one_l2_step_is_shrink_then_step() -> None:
    w, gradient = torch.randn(4, 3, dtype=F64), torch.randn(4, 3, dtype=F64)
    stepped = w - 0.1 * (gradient + Penalty(l2=0.5).gradient(w))
    torch.testing.assert_close(stepped, (1 - 0.1 * 0.5) * w - 0.1 * gradient, rtol=0, atol=1e-12)


def test_soft_threshold() -> None:
    w = torch.tensor([3.0, -2.0, 0.5, -0.5, 0.0])
    shrunk = soft_threshold(w, 0.5)
    assert shrunk.tolist() == [2.5, -1.5, 0.0, 0.0, 0.0]
    assert not torch.signbit(shrunk[2:]).any()
    assert soft_threshold(w, torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])).tolist() == [3.0, -1.0, 0.5, -0.5, 0.0]


@pytest.mark.parametrize("dim", [0, 1])
def test_max_norm(dim: int) -> None:
    weight = torch.randn(5, 4, dtype=F64)
    bound = 1.8
    clipped = clip_max_norm(weight, bound, dim)
    columns, found = (weight, clipped) if dim == 0 else (weight.T, clipped.T)
    lengths = np.sqrt((columns.numpy() ** 2).sum(axis=0))
    assert (lengths > bound).any() and (lengths < bound).any()  # the draw has both kinds
    for j, length in enumerate(lengths):
        if length <= bound:
            assert torch.equal(found[:, j], columns[:, j])
        else:
            torch.testing.assert_close(found[:, j], columns[:, j] * (bound / length))
    assert clip_max_norm(torch.zeros(2, 2), 1.0).eq(0).all()


def test_constrain_does_both_and_divides_by_the_batch() -> None:
    weight = torch.tensor([[3.0], [4.0], [0.01]], dtype=F64)
    Penalty(l1=2.0, l1_form="proximal", max_norm=1.0, per_sample=True).constrain_(weight, 0.1, total_weight=10.0)
    thresholded = torch.tensor([2.98, 3.98, 0.0], dtype=F64)
    torch.testing.assert_close(weight[:, 0], thresholded / thresholded.norm())


def test_what_acts_where() -> None:
    assert not Penalty().in_gradient and not Penalty().after_step
    assert Penalty(l2=1.0).in_gradient and not Penalty(l2=1.0).after_step
    assert Penalty(l1=1.0).in_gradient and not Penalty(l1=1.0).after_step
    assert Penalty(l1=1.0, l1_form="proximal").after_step and not Penalty(l1=1.0, l1_form="proximal").in_gradient
    assert Penalty(max_norm=1.0).after_step and not Penalty(max_norm=1.0).in_gradient


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l1": -1.0}, r"`l1` must be at least 0 and finite\. Received: l1=-1\.0"),
        ({"l2": float("nan")}, r"`l2` must be at least 0 and finite\. Received: l2=nan"),
        ({"max_norm": 0.0}, r"`max_norm` must be above 0 or None\. Received: max_norm=0\.0"),
        ({"l1_form": "prox"}, r"`l1_form` must be 'subgradient' or 'proximal'\. Received: l1_form='prox'"),
    ],
)
def test_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Penalty(**arguments)


def test_max_norm_refuses_zero() -> None:
    with pytest.raises(ValueError, match=r"`max_norm` must be above 0\. Received: max_norm=0"):
        clip_max_norm(torch.ones(2, 2), 0)
