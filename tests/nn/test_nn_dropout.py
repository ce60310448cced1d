"""Dropout's two forms: the expectations and the geometric mean of the canon, section 9."""

import copy
import itertools

import pytest
import torch

from strata.functional import keep_mask
from strata.nn import DenseNetwork, DenseSpec, Dropout, Head

F64 = torch.float64
HIDDEN = torch.tensor([0.5, -1.0, 2.0, 4.0], dtype=F64)
MASKS = [torch.tensor(bits, dtype=F64) for bits in itertools.product([0.0, 1.0], repeat=4)]
LINEAR = torch.tensor([[0.3], [0.2], [-0.1], [0.4]], dtype=F64)
TWO_CLASSES = torch.tensor([[0.3, 0.2, -0.1, 0.4], [-0.2, 0.5, 0.1, 0.1]], dtype=F64).T.contiguous()


def _probability(mask: torch.Tensor, p: float) -> float:
    kept = int(mask.sum())
    return (1 - p) ** kept * p ** (4 - kept)


def _evaluated(weight: torch.Tensor, loss: str, p: float, form: str) -> torch.Tensor:
    head = Head(weight.shape[1], loss)
    spec = DenseSpec(4, (), (), (head,), dropout=(p,), dropout_form=form)  # type: ignore[arg-type]
    network = DenseNetwork.from_arrays(spec, [weight], [torch.zeros(weight.shape[1], dtype=F64)])
    return network.predict(HIDDEN.unsqueeze(0))[0]


@pytest.mark.parametrize(("p", "expected"), [(0.5, 0.675), (0.2, 1.08)])
def test_mean_over_all_sixteen_masks(p: float, expected: float) -> None:
    full = (HIDDEN @ LINEAR).item()
    assert full == pytest.approx(1.35, abs=1e-15)
    mean = sum(_probability(mask, p) * (HIDDEN * mask @ LINEAR).item() for mask in MASKS)
    assert mean == pytest.approx(expected, abs=1e-12)
    assert _evaluated(LINEAR, "mse", p, "rescaling").item() == pytest.approx(mean, abs=1e-12)
    inverted = sum(_probability(mask, p) * (HIDDEN * mask / (1 - p) @ LINEAR).item() for mask in MASKS)
    assert _evaluated(LINEAR, "mse", p, "inverted").item() == pytest.approx(inverted, abs=1e-12)


def test_geometric_mean_over_masks_equals_weight_scaling() -> None:
    logs = torch.stack([torch.log_softmax(HIDDEN * mask @ TWO_CLASSES, 0) for mask in MASKS])
    geometric = torch.softmax(logs.mean(0), 0)  # renormalised
    expected = torch.tensor([0.6626218372, 0.3373781628], dtype=F64)
    torch.testing.assert_close(geometric, expected, rtol=0, atol=1e-9)
    scaled = _evaluated(TWO_CLASSES, "cross_entropy", 0.5, "rescaling")
    torch.testing.assert_close(scaled, geometric, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", ["inverted", "rescaling"])
def test_layer_masks_count_and_advance(form: str) -> None:
    dropout = Dropout(0.3, form=form, seed=5, layer=2)  # type: ignore[arg-type]
    x = torch.randn(4, 6, dtype=F64)
    factor = 1 / 0.7 if form == "inverted" else 1.0
    for step in range(3):
        torch.testing.assert_close(dropout(x), x * keep_mask(5, step, 2, (4, 6), 0.3) * factor)
    assert dropout.dropout_step == 3
    evaluated = dropout.eval()(x)
    assert dropout.dropout_step == 3
    torch.testing.assert_close(evaluated, x if form == "inverted" else 0.7 * x)


@pytest.mark.parametrize("form", ["inverted", "rescaling"])
def test_layer_expectation(form: str) -> None:
    dropout = Dropout(0.4, form=form)  # type: ignore[arg-type]
    x = torch.randn(5, dtype=F64)
    mean = torch.stack([dropout(x) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, dropout.eval()(x), rtol=0.08, atol=0)


def test_state_repeats_the_masks() -> None:
    dropout, x = Dropout(0.5, seed=2), torch.ones(3, 8)
    dropout(x)
    saved = copy.deepcopy(dropout.state_dict())
    second = dropout(x)
    resumed = Dropout(0.5)
    resumed.load_state_dict(saved)
    assert torch.equal(resumed(x), second)
    assert not torch.equal(resumed(x), second)


def test_dropped_units_get_no_gradient_and_p_zero_is_nothing() -> None:
    x = torch.randn(3, 8, dtype=F64, requires_grad=True)
    mask = keep_mask(0, 0, 0, (3, 8), 0.5)
    (gradient,) = torch.autograd.grad(Dropout(0.5)(x).sum(), x)
    torch.testing.assert_close(gradient, mask.double() * 2)
    assert Dropout(0.0)(x) is x
    assert repr(Dropout(0.25)) == "Dropout(p=0.25, form='inverted')"


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"`p` must be a probability in \[0, 1\)\. Received: p=1"):
        Dropout(1)
    with pytest.raises(ValueError, match=r"`form` must be 'inverted' or 'rescaling'\. Received: form='x'"):
        Dropout(form="x")  # type: ignore[arg-type]
