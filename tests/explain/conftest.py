"""Networks that learned digits, for everything that is asked of a trained network."""

import sys
from pathlib import Path

import pytest

if str(Path(__file__).parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parent))

from digit_networks import digits, learn, residual, sequential


@pytest.fixture(scope="session")
def digit_images():
    return digits()


@pytest.fixture(scope="session")
def digit_net(digit_images):
    x, y = digit_images
    return learn(sequential(0), x[:-300], y[:-300], n_epochs=8)


@pytest.fixture(scope="session")
def second_digit_net(digit_images):
    x, y = digit_images
    return learn(sequential(1), x[:-300], y[:-300], n_epochs=8)


@pytest.fixture(scope="session")
def residual_net(digit_images):
    x, y = digit_images
    return learn(residual(0), x[:-300], y[:-300], n_epochs=5, rate=1e-2)
