"""Pooling with switches, and the way back."""

import pytest
import torch
from torch.nn import functional as F

from strata.nn import SwitchMaxPool2d, SwitchUnpool2d


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ceil_mode"),
    [(2, None, 0, False), (3, 2, 0, True), (3, 2, 1, False), (3, 1, 1, False)],
)
def test_unpooling_a_pooled_map_keeps_exactly_the_maxima(kernel, stride, padding, ceil_mode):
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    pool = SwitchMaxPool2d(kernel, stride, padding=padding, ceil_mode=ceil_mode)
    values, switches = pool(x)
    assert torch.equal(values, F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode))
    assert torch.equal(x.flatten(2).gather(2, switches.flatten(2)).view_as(values), values)
    back = SwitchUnpool2d()(values, switches, (7, 9))
    kept = torch.zeros(2, 3, 63, dtype=torch.bool).scatter(2, switches.flatten(2), True).view_as(x)
    torch.testing.assert_close(back, torch.where(kept, x, 0.0))
    assert 0 < int(kept.sum()) < kept.numel()


def test_the_sum_is_the_backward_pass():
    x = torch.randn(1, 2, 7, 7, dtype=torch.float64, requires_grad=True)
    values, switches = SwitchMaxPool2d(3, 2)(x)
    upstream = torch.randn_like(values)
    (gradient,) = torch.autograd.grad(values, x, upstream)
    assert torch.equal(SwitchUnpool2d(overlap="sum")(upstream, switches, (7, 7)), gradient)
    assert not torch.allclose(SwitchUnpool2d()(upstream, switches, (7, 7)), gradient)


def test_gradients_go_through():
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)

    def there_and_back(image):
        return SwitchUnpool2d()(*SwitchMaxPool2d(3, 2)(image), (6, 6))

    assert torch.autograd.gradcheck(there_and_back, x)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`overlap` must be 'mean' or 'sum'. Received: overlap='max'."):
        SwitchUnpool2d(overlap="max")
    with pytest.raises(ValueError, match=r"`values` and `switches` must have the same shape. Received: \(1, 1, 2, 2\)"):
        SwitchUnpool2d()(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 1, dtype=torch.int64), (4, 4))
