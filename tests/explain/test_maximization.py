"""Made images: the class is reached from noise and believed by a second network; each regularizer does its work."""

import pytest
import torch
from digit_networks import sequential
from torch import nn

from strata.explain import Regularization, feature_maps, maximize_activation
from strata.explain.maximization import _blurred, _frequency, _without_small_norms


def test_classes_are_reached_from_noise_and_believed_by_a_second_network(digit_net, second_digit_net):
    images = maximize_activation(digit_net, None, list(range(10)), shape=(1, 8, 8), low=0.0, high=1.0)
    assert images.shape == (10, 1, 8, 8) and images.min() >= 0 and images.max() <= 1
    assert (digit_net(images).softmax(1).diagonal() > 0.99).all()
    assert (second_digit_net(images).softmax(1).diagonal() > 0.5).all()
    noise = torch.rand(10, 1, 8, 8)
    assert (digit_net(noise).softmax(1).diagonal() > 0.99).sum() < 3


@pytest.mark.parametrize(("layer", "unit"), [("1", 4), ("4", 9), ("7", 2)])
@pytest.mark.parametrize("place", ["mean", "center"])
def test_units_of_every_layer_answer_more(digit_net, digit_images, layer, unit, place):
    image = maximize_activation(digit_net, layer, unit, shape=(1, 8, 8), low=0.0, high=1.0, place=place)

    def answer(x):
        activation = feature_maps(digit_net, x, [layer])[layer][:, unit]
        if activation.ndim == 1:
            return activation
        return (
            activation.mean((1, 2))
            if place == "mean"
            else activation[:, 4 if layer == "1" else 2, 4 if layer == "1" else 2]
        )

    assert answer(image)[0] > 0
    assert answer(image)[0] > answer(digit_images[0][:300]).quantile(0.95)


def test_the_same_seed_gives_the_same_image(digit_net):
    settings = {"shape": (1, 8, 8), "n_steps": 5}
    first = maximize_activation(digit_net, "4", [1, 2], **settings)
    assert torch.equal(first, maximize_activation(digit_net, "4", [1, 2], **settings))
    assert not torch.equal(first, maximize_activation(digit_net, "4", [1, 2], random_state=1, **settings))


def test_of_a_linear_score_the_optimum_is_known():
    """argmax w.x - l2 |x|^2 is w / (2 l2)."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    plain = Regularization(l2=0.5, blur=0.0, jitter=0, smoothness=0.0)
    image = maximize_activation(net, None, 1, shape=(1, 4, 4), n_steps=600, step_size=0.02, regularization=plain)
    assert torch.allclose(image.flatten(), net[1].weight[1].detach(), atol=0.01)


def test_a_start_may_be_given(digit_net, digit_images):
    still = maximize_activation(
        digit_net, None, 3, shape=(1, 8, 8), start=digit_images[0][0], n_steps=1, step_size=1e-6,
        regularization=Regularization(jitter=0),
    )  # fmt: skip
    assert torch.allclose(still[0], digit_images[0][0], atol=1e-4)


def test_blur_is_a_gaussian():
    x = torch.zeros(1, 2, 21, 21)
    x[0, 0, 10, 10] = 1.0
    blurred = _blurred(x, 1.5)
    at = torch.arange(21.0) - 10
    expected = torch.exp(-at.square() / (2 * 1.5**2))
    expected[at.abs() > 5] = 0
    expected /= expected.sum()
    assert torch.allclose(blurred[0, 0], expected[:, None] * expected[None, :], atol=1e-6)
    assert not blurred[0, 1].any()
    assert torch.allclose(_blurred(torch.ones(1, 1, 5, 5), 2.0), torch.ones(1, 1, 5, 5), atol=1e-6)


def test_small_norms_are_clipped():
    x = torch.tensor([[[[3.0, 0.1], [1.0, 0.2]], [[4.0, 0.1], [0.0, 0.1]]]])
    assert _without_small_norms(x, 0.5)[0, :, :, 1].abs().sum() == 0
    assert torch.equal(_without_small_norms(x, 0.5)[0, :, :, 0], x[0, :, :, 0])
    assert _without_small_norms(x, 0.0) is x


def test_frequencies_fall_as_asked():
    scale = _frequency(torch.zeros(1, 1, 8, 8), 1.0)
    assert scale.shape == (8, 5) and scale[0, 0] == 1 and scale[0, 1] == 1
    assert torch.isclose(scale[0, 4], torch.tensor(0.25)) and torch.isclose(scale[2, 0], torch.tensor(0.5))


def test_smoothness_makes_smooth_images(digit_net):
    def roughness(smoothness):
        keep = Regularization(blur=0.0, jitter=0, smoothness=smoothness)
        image = maximize_activation(digit_net, None, 3, shape=(1, 8, 8), regularization=keep, n_steps=40)
        return float((image[..., 1:] - image[..., :-1]).square().mean() / image.var())

    assert roughness(2.0) < 0.7 * roughness(0.0)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"layer": "99"}, ValueError, "Unknown layer '99'"),
        ({"unit": [1, 32]}, ValueError, r"`unit` must be from 0 to 31. Received: \[1, 32\]"),
        ({"unit": []}, TypeError, "`unit` must be the number of a channel, or a list"),
        ({"unit": 1.0}, TypeError, "`unit` must be the number of a channel, or a list"),
        ({"layer": None, "unit": 10}, ValueError, r"`unit` must be from 0 to 9. Received: \[10\]"),
        ({"place": "centre"}, ValueError, "Unknown place 'centre'. Did you mean 'center'"),
        ({"n_steps": 0}, ValueError, "`n_steps` must be at least 1"),
        ({"step_size": 0.0}, ValueError, "`step_size` must be above 0"),
        ({"shape": (3, 8, 8)}, ValueError, "`x` must fit the network"),
        ({"start": torch.full((1, 8, 8), float("inf"))}, ValueError, "`start` must be finite"),
    ],
)
def test_wrong_arguments_are_refused(settings, kind, message):
    with pytest.raises(kind, match=message):
        maximize_activation(sequential(0), **({"layer": "4", "unit": 1, "shape": (1, 8, 8), "n_steps": 2} | settings))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("l2", -1.0, "`l2` must be 0 or more"),
        ("blur", float("nan"), "`blur` must be 0 or more"),
        ("blur_every", 0, "`blur_every` must be at least 1"),
        ("clip_norm", 1.0, "`clip_norm` must be a share from 0 to below 1"),
    ],
)
def test_wrong_regularization_is_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        Regularization(**{name: value})
