"""The signal-to-noise ratio against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from strata.functional.pixels import psnr


def test_it_is_scikit_images():
    random = np.random.RandomState(0)
    a, b = random.rand(3, 9, 8, 3), random.rand(3, 9, 8, 3)
    known = [peak_signal_noise_ratio(x, y, data_range=1.0) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(psnr(torch.from_numpy(b), torch.from_numpy(a)), known, rtol=1e-12)
    known = [peak_signal_noise_ratio(255 * x, 255 * y, data_range=255) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(psnr(torch.from_numpy(255 * b), torch.from_numpy(255 * a), peak=255), known)
    assert psnr(torch.ones(1, 4), torch.ones(1, 4)).isinf().all()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="must have the same shape, with at least two axes"):
        psnr(torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="`peak` must be above 0"):
        psnr(torch.zeros(2, 3), torch.zeros(2, 3), peak=0)
