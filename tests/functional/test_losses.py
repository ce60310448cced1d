"""Losses against the canon's goldens (L section 5), NumPy loops, PyTorch and finite differences."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from strata.functional import (
    ACTIVATIONS,
    LOSSES,
    Loss,
    binary_cross_entropy,
    cross_entropy,
    focal,
    get_activation,
    get_loss,
    half_squared,
    hinge,
    huber,
    image_restoration,
    kl_divergence,
    mae,
    mse,
    nll,
    poisson,
    rbf_map,
    rss,
    squared_error,
)
from strata.functional._losses_real import _sobel

F64 = torch.float64
RNG = np.random.RandomState(7)


def t64(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


@dataclass
class Case:
    """One way to call a loss, with the loss of one row written again on Python floats."""

    name: str
    prediction: Tensor
    targets: Tensor
    row: Callable[[Any, Any], float]
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.options.items()), str(self.targets.ndim)])


def _lse(z: Any) -> float:
    top = max(z)
    return top + math.log(sum(math.exp(v - top) for v in z))


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def _huber(e: float, delta: float) -> float:
    return 0.5 * e * e if abs(e) <= delta else delta * (abs(e) - 0.5 * delta)


def _focal_binary(z: float, y: float, gamma: float, alpha: float | None) -> float:
    p = _sigmoid(z) if y == 1 else 1 - _sigmoid(z)
    a = 1.0 if alpha is None else alpha if y == 1 else 1 - alpha
    return -a * (1 - p) ** gamma * math.log(p)


def _focal_class(z: Any, y: int, gamma: float) -> float:
    p = math.exp(z[y] - _lse(z))
    return -((1 - p) ** gamma) * math.log(p)


Z = torch.from_numpy(RNG.normal(0, 1.5, (5, 3)))
REAL = torch.from_numpy(RNG.normal(0, 1.5, (5, 3)))
INDEX = torch.tensor([0, 2, 1, 2, 0])
PROBS = torch.from_numpy(RNG.dirichlet([1.0, 2.0, 0.5], 5))
ONES = torch.from_numpy((RNG.rand(5, 3) > 0.5).astype(float))
COUNTS = torch.from_numpy(RNG.poisson(2.0, (5, 3)).astype(float))
IMAGES = torch.from_numpy(RNG.rand(5, 2, 5, 4)), torch.from_numpy(RNG.rand(5, 2, 5, 4))


def _image_row(edges: str) -> Callable[[Any, Any], float]:
    def edge_maps(image: np.ndarray) -> list[tuple[float, float]]:
        kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        found = []
        for channel in image:
            for i in range(channel.shape[0] - 2):
                for j in range(channel.shape[1] - 2):
                    window = channel[i : i + 3, j : j + 3]
                    found.append(((window * kernel).sum(), (window * kernel.T).sum()))
        return found

    def row(x: Any, y: Any) -> float:
        x, y = np.array(x), np.array(y)
        pairs = list(zip(edge_maps(x), edge_maps(y), strict=True))
        if edges == "components":
            unlike = np.mean([[(a[0] - b[0]) ** 2, (a[1] - b[1]) ** 2] for a, b in pairs])
        else:
            unlike = np.mean([(math.hypot(*a) - math.hypot(*b)) ** 2 for a, b in pairs])
        return float(0.8 * np.mean((x - y) ** 2) + 0.2 * unlike)

    return row


def _squares(f: Any, y: Any) -> list[float]:
    return [(a - b) ** 2 for a, b in zip(f, y, strict=True)]


CASES = [
    Case("half_squared", Z, REAL, lambda f, y: 0.5 * sum(_squares(f, y))),
    Case("half_squared", Z[:, 0], REAL[:, 0], lambda f, y: 0.5 * (f - y) ** 2),
    Case("squared_error", Z, REAL, lambda f, y: 0.5 * sum(_squares(f, y))),
    Case("mse", Z, REAL, lambda f, y: sum(_squares(f, y)) / 3),
    Case("rss", Z, REAL, lambda f, y: sum(_squares(f, y))),
    Case("mae", Z, REAL, lambda f, y: sum(abs(a - b) for a, b in zip(f, y, strict=True)) / 3),
    Case("huber", Z, REAL, lambda f, y: sum(_huber(a - b, 1.0) for a, b in zip(f, y, strict=True)) / 3),
    Case("huber", Z, REAL, lambda f, y: sum(_huber(a - b, 0.3) for a, b in zip(f, y, strict=True)) / 3, {"delta": 0.3}),
    Case("poisson", Z, COUNTS, lambda z, y: sum(math.exp(a) - b * a for a, b in zip(z, y, strict=True))),
    Case("cross_entropy", Z, INDEX, lambda z, y: _lse(z) - z[y]),
    Case("cross_entropy", Z, PROBS, lambda z, y: sum(p * (_lse(z) - a) for a, p in zip(z, y, strict=True))),
    Case("nll", F.log_softmax(Z, 1), INDEX, lambda z, y: -z[y]),
    Case(
        "binary_cross_entropy",
        Z,
        ONES,
        lambda z, y: sum(
            -b * math.log(_sigmoid(a)) - (1 - b) * math.log(1 - _sigmoid(a)) for a, b in zip(z, y, strict=True)
        ),
    ),
    Case(
        "kl_divergence",
        Z,
        PROBS,
        lambda z, y: sum(p * (math.log(p) - a + _lse(z)) for a, p in zip(z, y, strict=True)),
    ),
    Case("hinge", Z, INDEX, lambda z, y: max(0.0, 1 + max(v for j, v in enumerate(z) if j != y) - z[y])),
    Case("hinge", Z, 2 * ONES - 1, lambda z, y: sum(max(0.0, 1 - b * a) for a, b in zip(z, y, strict=True))),
    Case("hinge", Z, ONES, lambda z, y: sum(max(0.0, 1 - (2 * b - 1) * a) for a, b in zip(z, y, strict=True))),
    Case("focal", Z, INDEX, lambda z, y: _focal_class(z, y, 2.0)),
    Case("focal", Z, INDEX, lambda z, y: _focal_class(z, y, 0.5), {"gamma": 0.5}),
    Case("focal", Z, ONES, lambda z, y: sum(_focal_binary(a, b, 2.0, None) for a, b in zip(z, y, strict=True))),
    Case(
        "focal",
        Z,
        ONES,
        lambda z, y: sum(_focal_binary(a, b, 1.5, 0.3) for a, b in zip(z, y, strict=True)),
        {"gamma": 1.5, "alpha": 0.3},
    ),
    Case("rbf_mse", -(Z**2), INDEX, lambda z, y: -z[y]),
    Case("rbf_map", -(Z**2), INDEX, lambda z, y: -z[y] + math.log(math.exp(-1.0) + sum(map(math.exp, z)))),
    Case("rbf_map", -(Z**2), INDEX, lambda z, y: -z[y] + math.log(math.exp(-3.0) + sum(map(math.exp, z))), {"j": 3.0}),
    Case("image_restoration", *IMAGES, _image_row("magnitude")),
    Case("image_restoration", *IMAGES, _image_row("components"), {"edges": "components"}),
]


def test_every_registered_loss_has_a_case() -> None:
    assert {case.name for case in CASES} == set(LOSSES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_equal_the_written_formula(case: Case) -> None:
    rows = LOSSES[case.name].function(case.prediction, case.targets, reduction="none", **case.options)
    expected = [case.row(f, y) for f, y in zip(case.prediction.tolist(), case.targets.tolist(), strict=True)]
    np.testing.assert_allclose(rows.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reductions_and_weights(case: Case) -> None:
    function = LOSSES[case.name].function
    weight = t64([0.5, 2.0, 0.0, 1.0, 3.0])
    rows = function(case.prediction, case.targets, reduction="none", **case.options)

    def call(**kwargs: Any) -> Tensor:
        return function(case.prediction, case.targets, **case.options, **kwargs)

    torch.testing.assert_close(call(reduction="sum"), rows.sum())
    torch.testing.assert_close(call(reduction="mean"), rows.mean())
    torch.testing.assert_close(call(reduction="none", sample_weight=weight), weight * rows)
    torch.testing.assert_close(call(reduction="sum", sample_weight=weight), (weight * rows).sum())
    torch.testing.assert_close(call(reduction="mean", sample_weight=weight), (weight * rows).sum() / 6.5)
    own = call(reduction=LOSSES[case.name].reduction, sample_weight=weight)
    torch.testing.assert_close(call(sample_weight=weight), own)
    assert call(reduction="mean", sample_weight=torch.zeros(5)) == 0  # nothing to average


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_integer_weight_is_a_repetition(case: Case) -> None:
    function = LOSSES[case.name].function
    rows = torch.tensor([0, 1, 1, 3, 3, 3, 4])
    repeated = function(case.prediction[rows], case.targets[rows], **case.options)
    weighted = function(case.prediction, case.targets, sample_weight=t64([1, 2, 0, 3, 1]), **case.options)
    torch.testing.assert_close(weighted, repeated, rtol=1e-13, atol=0)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck(case: Case, weighted: bool) -> None:
    weight = t64([0.5, 2.0, 0.1, 1.0, 3.0]) if weighted else None

    def loss(prediction: Tensor) -> Tensor:
        return LOSSES[case.name].function(prediction, case.targets, sample_weight=weight, **case.options)

    assert torch.autograd.gradcheck(loss, (case.prediction.clone().requires_grad_(),))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float32_gives_float32(case: Case) -> None:
    targets = case.targets.float() if case.targets.is_floating_point() else case.targets
    prediction = case.prediction.float().requires_grad_()
    loss = LOSSES[case.name].function(prediction, targets, **case.options)
    loss.backward()
    assert loss.dtype == torch.float32
    expected = LOSSES[case.name].function(case.prediction, case.targets, **case.options)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert prediction.grad is not None and torch.isfinite(prediction.grad).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_broadcast(case: Case) -> None:
    function = LOSSES[case.name].function
    for prediction, targets in (
        (case.prediction[:1], case.targets),
        (case.prediction, case.targets[:1]),
        (case.prediction.unsqueeze(1), case.targets),
        (case.prediction, case.targets.unsqueeze(1)),
        (case.prediction.flatten(1)[:, :1] if case.prediction.ndim > 1 else case.prediction.view(-1, 1), case.targets),
    ):
        with pytest.raises(ValueError, match=r"must (have|be) .* Received: prediction of shape"):
            function(prediction, targets, **case.options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_wrong_weights_and_reductions_are_named(case: Case) -> None:
    function = LOSSES[case.name].function
    with pytest.raises(
        ValueError, match=r"`sample_weight` must have shape \(5,\), one weight a row\. Received: .*\(5, 1\)"
    ):
        function(case.prediction, case.targets, sample_weight=torch.ones(5, 1), **case.options)
    with pytest.raises(ValueError, match=r"`reduction` must be 'mean', 'sum' or 'none'\. Received: reduction='men'"):
        function(case.prediction, case.targets, reduction="men", **case.options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_rows_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match=r"Received: prediction of shape \(0,"):
        LOSSES[case.name].function(case.prediction[:0], case.targets[:0], **case.options)


# ---- goldens of the canon ------------------------------------------------------------------------------------------


def test_squared_goldens() -> None:
    y, f = t64([1.0, 0.0, 2.0]), t64([1.5, 0.5, 1.0])
    assert rss(f, y) == 1.5
    assert mse(f, y) == 0.5
    assert half_squared(f, y) == 0.75
    assert squared_error(f, y) == 0.25
    assert half_squared(f, y, reduction="mean") == 0.25


@pytest.mark.parametrize(("loss", "factor"), [(half_squared, 1.0), (rss, 2.0), (mse, 2 / 15), (squared_error, 1 / 5)])
def test_squared_gradients_differ_by_their_constants(loss: Any, factor: float) -> None:
    f = Z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(f, REAL), f)
    torch.testing.assert_close(gradient, factor * (Z - REAL))


def test_cross_entropy_goldens() -> None:
    z = t64([[1.0, 2.0, 3.0]]).requires_grad_()
    loss = cross_entropy(z, torch.tensor([1]))
    assert loss.item() == pytest.approx(1.4076059644, abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, z)
    np.testing.assert_allclose(gradient[0].numpy(), [0.0900305732, -0.7552715289, 0.6652409558], atol=1e-9)
    assert cross_entropy(z, torch.tensor([2])).item() == pytest.approx(0.4076059644, abs=1e-9)
    assert cross_entropy(torch.zeros(4, 10, dtype=F64), torch.tensor([0, 3, 9, 5])).item() == pytest.approx(
        math.log(10)
    )


@pytest.mark.parametrize(
    ("z", "y", "loss"), [(2, 1, 0.1269280110), (2, 0, 2.1269280110), (-3, 1, 3.0485873516), (100, 0, 100.0)]
)
def test_binary_cross_entropy_goldens(z: float, y: float, loss: float) -> None:
    score = t64([z]).requires_grad_()
    found = binary_cross_entropy(score, t64([y]))
    assert found.item() == pytest.approx(loss, abs=1e-9)
    (gradient,) = torch.autograd.grad(found, score)
    assert gradient.item() == pytest.approx(_sigmoid(z) - y, abs=1e-12)


def test_binary_cross_entropy_is_exact_far_out() -> None:
    assert binary_cross_entropy(torch.tensor([100.0]), torch.tensor([0.0])) == 100
    assert binary_cross_entropy(t64([-1e4]), t64([1.0])) == 1e4
    assert binary_cross_entropy(t64([800.0]), t64([1.0])) == 0
    score = t64([0.0]).requires_grad_()
    assert torch.autograd.grad(binary_cross_entropy(score, t64([1.0])), score)[0] == -0.5


def test_logit_losses_do_not_overflow() -> None:
    z = t64([[1000.0, -1000.0, 0.0]]).requires_grad_()
    for loss in (
        cross_entropy(z, torch.tensor([1])),
        kl_divergence(z, t64([[0.0, 1.0, 0.0]])),
        focal(z, torch.tensor([1])),
    ):
        assert loss == 2000
        assert torch.isfinite(torch.autograd.grad(loss, z)[0]).all()
    for gamma in (0.0, 0.5, 2.0):
        sure = focal(z, torch.tensor([0]), gamma=gamma)
        assert sure == 0
        assert torch.isfinite(torch.autograd.grad(sure, z)[0]).all()


def test_entropy_goldens() -> None:
    p, q = t64([[0.7, 0.2, 0.1]]), t64([[0.5, 0.3, 0.2]])
    assert cross_entropy(p.log(), p).item() == pytest.approx(0.8018185525, abs=1e-9)  # H(p)
    assert cross_entropy(q.log(), p).item() == pytest.approx(0.8869413785, abs=1e-9)
    assert kl_divergence(q.log(), p).item() == pytest.approx(0.0851228260, abs=1e-9)
    assert kl_divergence(p.log(), q).item() == pytest.approx(0.0920328502, abs=1e-9)


def test_one_hot_divergence_is_cross_entropy_and_gradients_agree_always() -> None:
    one_hot = F.one_hot(INDEX, 3).double()
    torch.testing.assert_close(kl_divergence(Z, one_hot), cross_entropy(Z, INDEX))
    torch.testing.assert_close(cross_entropy(Z, one_hot), cross_entropy(Z, INDEX))
    z = Z.clone().requires_grad_()
    (of_kl,) = torch.autograd.grad(kl_divergence(z, PROBS), z)
    (of_ce,) = torch.autograd.grad(cross_entropy(z, PROBS), z)
    torch.testing.assert_close(of_kl, of_ce)
    torch.testing.assert_close(of_ce, (torch.softmax(Z, 1) - PROBS) / 5)


CLEAN = torch.zeros(1, 1, 4, 4, dtype=F64)
CLEAN[..., 1:3, 1:3] = 1
RESTORED = t64([[0.1, 0, 0, 0], [0, 0.8, 0.9, 0], [0, 1, 0.7, 0.1], [0, 0, 0.2, 0]]).view(1, 1, 4, 4)


def test_composite_image_loss_goldens() -> None:
    def call(**kwargs: Any) -> float:
        return float(image_restoration(RESTORED, CLEAN, **kwargs).item())

    assert call(weights=(1.0, 0.0)) == pytest.approx(0.0125, abs=1e-12)
    assert call(weights=(0.0, 1.0)) == pytest.approx(0.6027983611, abs=1e-9)
    assert call(weights=(0.0, 1.0), edges="components") == pytest.approx(0.32, abs=1e-12)
    assert call() == pytest.approx(0.1305596722, abs=1e-9)


def test_sobel_maps_of_the_canon() -> None:
    for image, gx, gy in (
        (CLEAN, [[3, -3], [3, -3]], [[3, 3], [-3, -3]]),
        (RESTORED, [[2.4, -2.5], [2.5, -2.6]], [[2.6, 2.5], [-2.3, -2.2]]),
    ):
        found = _sobel(image)
        torch.testing.assert_close(found[0][0, 0], t64(gx))
        torch.testing.assert_close(found[1][0, 0], t64(gy))


def test_flat_images_have_a_finite_gradient() -> None:
    flat = torch.zeros(2, 1, 5, 5, requires_grad=True)
    loss = image_restoration(flat, torch.rand(2, 1, 5, 5))
    (gradient,) = torch.autograd.grad(loss, flat)
    assert torch.isfinite(gradient).all()


# ---- equal to PyTorch's own, where it has one ---------------------------------------------------------------------


def test_equal_to_torch() -> None:
    pairs = [
        (mse(Z, REAL), F.mse_loss(Z, REAL)),
        (mae(Z, REAL), F.l1_loss(Z, REAL)),
        (huber(Z, REAL, delta=0.4), F.huber_loss(Z, REAL, delta=0.4)),
        (cross_entropy(Z, INDEX), F.cross_entropy(Z, INDEX)),
        (cross_entropy(Z, PROBS), F.cross_entropy(Z, PROBS)),
        (nll(F.log_softmax(Z, 1), INDEX), F.nll_loss(F.log_softmax(Z, 1), INDEX)),
        (binary_cross_entropy(Z, ONES), 3 * F.binary_cross_entropy_with_logits(Z, ONES)),
        (kl_divergence(Z, PROBS), F.kl_div(F.log_softmax(Z, 1), PROBS, reduction="batchmean")),
        (poisson(Z, COUNTS), 3 * F.poisson_nll_loss(Z, COUNTS)),
        (focal(Z, INDEX, gamma=0.0), F.cross_entropy(Z, INDEX)),
        (focal(Z, ONES, gamma=0.0), 3 * F.binary_cross_entropy_with_logits(Z, ONES)),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_weighted_mean_differs_from_torch_by_the_divisor() -> None:
    weight = t64([1, 2, 3, 4, 5])
    rows = F.cross_entropy(Z, INDEX, reduction="none")
    torch.testing.assert_close(cross_entropy(Z, INDEX, sample_weight=weight), (weight * rows).sum() / 15)


# ---- descriptions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_descriptions(name: str) -> None:
    loss = get_loss(name)
    assert loss.name == name
    assert loss.link in ACTIVATIONS
    case = next(case for case in CASES if case.name == name)
    if loss.targets not in ("real", "binary", "count"):
        return
    twice = loss.function(torch.cat([case.prediction] * 2, 1), torch.cat([case.targets] * 2, 1))
    factor = {"mean": 1.0, "sum": 2.0}[loss.over_outputs]
    torch.testing.assert_close(twice, factor * loss.function(case.prediction, case.targets))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, loss in LOSSES.items()
        if loss.takes_logits and name not in ("hinge", "focal", "rbf_map", "rbf_mse")
    ],
)
def test_canonical_links_leave_the_bare_residual(name: str) -> None:
    """Through its own link, a loss of logits has the gradient (prediction - target) / N."""
    case = next(case for case in CASES if case.name == name)
    targets = F.one_hot(INDEX, 3).double() if not case.targets.is_floating_point() else case.targets
    z = case.prediction.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[name].function(z, case.targets), z)
    torch.testing.assert_close(gradient, (get_activation(LOSSES[name].link)(case.prediction) - targets) / 5)


def test_get_loss_wraps_functions_and_refuses_the_rest() -> None:
    def my_loss(prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        return (prediction - targets).abs().max()

    wrapped = get_loss(my_loss)
    assert isinstance(wrapped, Loss)
    assert wrapped.name == "my_loss"
    assert wrapped(t64([1.0, 2.0]), t64([0.0, 5.0])) == 3
    assert get_loss(wrapped) is wrapped
    with pytest.raises(ValueError, match=r"Unknown loss 'cross-entropy'\. Did you mean 'cross_entropy'\?"):
        get_loss("cross-entropy")
    with pytest.raises(TypeError, match=r"`loss` must be a name, a Loss or a callable\. Received: loss=None"):
        get_loss(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: cross_entropy(Z, INDEX + 1),
            ValueError,
            r"`targets` must be class numbers from 0 to 2\. Received: targets from 1 to 3",
        ),
        (lambda: cross_entropy(Z, -INDEX), ValueError, r"class numbers from 0 to 2\. Received: targets from -2 to 0"),
        (
            lambda: cross_entropy(Z, INDEX.double()),
            TypeError,
            r"`targets` must be integers when they are class numbers",
        ),
        (
            lambda: cross_entropy(Z[:, :1], INDEX),
            ValueError,
            r"`prediction` must have shape \(N, K\) with N >= 1 rows and K >= 2",
        ),
        (lambda: cross_entropy(Z[:, 0], INDEX.double()), ValueError, r"`prediction` must have shape \(N, K\)"),
        (
            lambda: binary_cross_entropy(Z, 2 * ONES),
            ValueError,
            r"`targets` must be in \[0, 1\]\. Received: targets from 0 to 2",
        ),
        (lambda: kl_divergence(Z, -PROBS), ValueError, r"`targets` must be probabilities in \[0, 1\]"),
        (lambda: poisson(Z, -COUNTS), ValueError, r"`targets` must be counts of at least 0"),
        (
            lambda: hinge(Z, 3 * ONES),
            ValueError,
            r"`targets` must be -1 or 1, or 0 or 1\. Received: targets from 0 to 3",
        ),
        (lambda: focal(Z, INDEX, gamma=-1), ValueError, r"`gamma` must be at least 0\. Received: gamma=-1"),
        (lambda: focal(Z, ONES, alpha=2), ValueError, r"`alpha` must be in \[0, 1\] or None\. Received: alpha=2"),
        (lambda: focal(Z, INDEX, alpha=0.5), ValueError, r"`alpha` must be None for exclusive classes"),
        (lambda: huber(Z, REAL, delta=0), ValueError, r"`delta` must be above 0\. Received: delta=0"),
        (lambda: huber(Z, REAL, delta=float("nan")), ValueError, r"`delta` must be above 0\. Received: delta=nan"),
        (lambda: image_restoration(Z, REAL), ValueError, r"`prediction` must be images of shape \(N, C, H, W\)"),
        (lambda: image_restoration(*IMAGES, edges="x"), ValueError, r"`edges` must be 'magnitude' or 'components'"),  # type: ignore[arg-type]
    ],
)
def test_refusals(call: Callable[[], Tensor], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_hinge_at_the_kink_and_with_equal_rivals() -> None:
    z = t64([[1.0, 0.0, -5.0], [0.0, 2.0, 2.0]]).requires_grad_()
    (gradient,) = torch.autograd.grad(hinge(z, torch.tensor([0, 0]), reduction="sum"), z)
    assert gradient.tolist() == [[0, 0, 0], [-1, 1, 0]]


def test_the_discriminative_rbf_loss() -> None:
    """Its gradient is that of K + 1 classes; a large constant makes it the cross-entropy; no distance overflows."""
    z = (-(Z**2)).requires_grad_()
    (gradient,) = torch.autograd.grad(rbf_map(z, INDEX, j=0.7), z)
    classes = torch.cat((z.detach(), torch.full((5, 1), -0.7, dtype=torch.float64)), 1)
    torch.testing.assert_close(gradient, (classes.softmax(1)[:, :3] - F.one_hot(INDEX, 3)) / 5)
    torch.testing.assert_close(rbf_map(z, INDEX, j=60.0), cross_entropy(z, INDEX))
    assert rbf_map(t64([[-1e5, -2e5]]), torch.tensor([1])).item() == pytest.approx(2e5 - 1.0)
    with pytest.raises(ValueError, match=r"`j` must be above 0\. Received: j=0\."):
        rbf_map(z, INDEX, j=0.0)
