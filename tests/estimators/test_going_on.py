"""Going on from a trained network whose arguments have changed: what can be obeyed is, and the rest is refused."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from strata.estimators import SCVI, Autoencoder, CountAutoencoder, ImageCompressor, SemanticHasher

ROWS = np.random.RandomState(0).uniform(size=(40, 8))
COUNTS = np.random.RandomState(0).poisson(3.0, (40, 6))
PICTURES = np.random.RandomState(0).randint(0, 256, (4, 16, 16)).astype(np.uint8)


@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_an_autoencoder_learns_by_the_loss_and_activation_of_now(again):
    model = Autoencoder(3, hidden_layer_sizes=(5,), warm_start=True, max_iter=1, random_state=0).fit(ROWS)
    model.set_params(loss="binary_cross_entropy", activation="tanh")
    before = model.network_.weights[0].detach().clone()
    getattr(model, again)(ROWS)
    assert model.network_.spec.heads[0].loss == "binary_cross_entropy"
    assert model.network_.spec.hidden_activations == ("tanh", "identity", "tanh")
    moved = (model.network_.weights[0].detach() - before).abs().max()
    assert 0 < moved < 0.1  # the weights are those of before, a step further


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_components": 4}, "`n_components` must be what it was"),
        ({"hidden_layer_sizes": (6,)}, "`warm_start` and `partial_fit` go on from the weights"),
        ({"tied": True}, "`warm_start` and `partial_fit` go on from the weights"),
    ],
)
def test_an_autoencoder_of_another_size_is_refused(changed, message):
    model = Autoencoder(3, hidden_layer_sizes=(5,), warm_start=True, max_iter=1, random_state=0).fit(ROWS)
    codes = model.transform(ROWS)
    with pytest.raises(ValueError, match=message):
        model.set_params(**changed).fit(ROWS)
    model.set_params(n_components=3, hidden_layer_sizes=(5,), tied=False)
    assert_array_equal(model.transform(ROWS), codes)


def test_a_hasher_obeys_its_noise_and_keeps_its_bits():
    model = SemanticHasher(4, hidden_layer_sizes=(5,), warm_start=True, max_iter=1, random_state=0).fit(ROWS)
    assert model.set_params(gain=9.0, code_noise=0.5).fit(ROWS).network_.code.gain == 9.0
    assert model.network_.code.noise == 0.5
    with pytest.raises(ValueError, match="`n_bits` must be what it was in the last fit, 4"):
        model.set_params(n_bits=6).fit(ROWS)


def test_a_compressor_obeys_its_trade_offs_and_keeps_its_channels():
    model = ImageCompressor((0.01, 0.1), channels=(4, 3), max_iter=1, n_patches=2, warm_start=True, random_state=0)
    model.fit(PICTURES).set_params(trade_offs=(0.02, 0.2)).fit(PICTURES)
    expected = torch.tensor([1 / (255**2 * 0.02), 1 / (255**2 * 0.2)])
    assert torch.allclose(model.network_.code.prices, expected)
    with pytest.raises(ValueError, match="go on from the weights"):
        model.set_params(channels=(4, 5)).fit(PICTURES)


def test_a_count_network_obeys_what_is_no_weight_and_keeps_its_sizes():
    how = {"max_iter": 1, "warm_start": True, "random_state": 0}
    model = CountAutoencoder((4, 2, 4), **how).fit(COUNTS)
    model.set_params(input_dropout=0.4, zero_penalty=1.0).fit(COUNTS)
    assert (model.network_.input_dropout.p, model.network_.zero_penalty) == (0.4, 1.0)
    with pytest.raises(ValueError, match="go on from the weights"):
        model.set_params(likelihood="zinb").fit(COUNTS)
    other = SCVI(2, hidden_layer_sizes=4, **how).fit(COUNTS)
    other.set_params(n_latent=3)
    assert len(other.get_feature_names_out()) == other.transform(COUNTS).shape[1] == 2
    assert np.isfinite(other.score_samples(COUNTS)).all()
    with pytest.raises(ValueError, match="go on from the weights"):
        other.fit(COUNTS)
