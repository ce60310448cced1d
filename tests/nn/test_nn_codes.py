"""The codes between an encoder and a decoder: noise by a counter, costs, and what is settled."""

import pytest
import torch

from strata.functional import gaussian_kl, logistic_bits
from strata.nn import BinaryCode, GaussianCode, PlainCode, QuantizedCode

KINDS = [PlainCode(3, "tanh"), GaussianCode(3, seed=5), BinaryCode(3, seed=5), QuantizedCode(3, seed=5)]
ids = [type(code).__name__ for code in KINDS]


@pytest.mark.parametrize("code", KINDS, ids=ids)
def test_noise_goes_by_the_step_and_not_by_the_global_generator(code):
    h = torch.randn(6, code.n_inputs)
    code.train()
    code.dropout_step.fill_(7)
    first = code(h)[0]
    torch.randn(3)
    code.dropout_step.fill_(7)
    assert torch.equal(code(h)[0], first)
    code.dropout_step.fill_(8)
    noisy = not isinstance(code, PlainCode)
    assert torch.equal(code(h)[0], first) != noisy
    state = torch.random.get_rng_state()
    code(h)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("code", KINDS, ids=ids)
def test_in_evaluation_every_look_sees_the_same_noise(code):
    h = torch.randn(6, code.n_inputs)
    code.eval()
    code.dropout_step.fill_(3)
    first = code(h)[0]
    code.dropout_step.fill_(4)
    assert torch.equal(code(h)[0], first)


def test_a_normal_code_has_the_law_it_says():
    code = GaussianCode(2, seed=1).train()
    h = torch.tensor([[1.0, -2.0, 0.4, -1.0]], dtype=torch.float64).expand(200_000, 4)
    values, cost = code(h)
    torch.testing.assert_close(values.mean(dim=0), h[0, :2], atol=0.01, rtol=0)
    torch.testing.assert_close(values.var(dim=0).log(), h[0, 2:], atol=0.02, rtol=0)
    torch.testing.assert_close(cost[:1], gaussian_kl(h[:1, :2], h[:1, 2:]))
    assert torch.equal(code.settled(h), h[:, :2])


def test_a_binary_code_is_balanced_over_the_batch():
    code = BinaryCode(4).train()
    h = 5 + 3 * torch.randn(400, 4)
    values, cost = code(h)
    assert cost is None
    on = (values > 0.5).float().mean(dim=0)
    assert ((on > 0.42) & (on < 0.58)).all()
    for _ in range(200):
        code(h)
    on = (code.eval().settled(h) > 0.5).float().mean(dim=0)
    assert ((on > 0.42) & (on < 0.58)).all()


def test_a_quantized_code_is_noisy_in_training_and_whole_afterwards():
    code = QuantizedCode(3, (4.0, 1.0)).train()
    h = 4 * torch.randn(50, 3, 2, 2)
    noisy, cost = code(h)
    reach = (noisy - h).abs().flatten(1).max(dim=1).values
    assert cost.shape == (50,) and reach.max() <= 0.5 and (reach < 0.2501).any() and (reach > 0.26).any()
    whole, cost = code.eval()(h)
    assert torch.equal(whole[0::2], h[0::2].round()) and torch.equal(whole[1::2], (2 * h[1::2]).round() / 2)
    assert (cost > 0).all()
    assert torch.equal(code.settled(h), (2 * h).round() / 2)
    assert torch.equal(code.restored(code.symbols(h, 1), 1), code.settled(h))


def test_the_cost_of_a_quantized_code_is_the_price_of_its_bits():
    code = QuantizedCode(2, (0.5, 0.1)).eval()
    with torch.no_grad():
        code.location[1] = torch.tensor([1.0, -1.0])
    h = torch.tensor([[1.0, -2.0], [0.4, 0.9]])
    _, cost = code(h)
    for row in range(2):
        bits = logistic_bits(code.symbols(h[row : row + 1], row), code.location[row], code.log_scale[row])
        torch.testing.assert_close(cost[row : row + 1], bits * (0.5, 0.1)[row])


@pytest.mark.parametrize("prices", [(), (0.0,), (1.0, -1.0)])
def test_prices_are_above_zero(prices):
    with pytest.raises(ValueError, match="`prices` must be one or more numbers above 0"):
        QuantizedCode(2, prices)
