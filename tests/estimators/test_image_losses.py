"""Each loss is the one of its formula, for every kind of target, and what is predicted follows from it."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import strata
from strata import ImageClassifier
from strata.engine import CheckpointWarning
from strata.estimators._image_labels import ImageLabels
from strata.estimators._image_loss import EXCLUSIVE, SEPARATE, ImageLoss, chosen_loss
from strata.explain import explain
from strata.models import build
from strata.nn import EuclideanRBF
from strata.report.image_evaluating import evaluate_pictures
from strata.report.image_planning import plan_image_training
from strata.report.image_predicting import predict_pictures

RNG = np.random.RandomState(0)
X = RNG.randint(0, 130, (48, 8, 8, 3)).astype(np.uint8)
Y = np.arange(48) % 3
X[np.arange(48), :, :, Y] += 60
TABLE = np.column_stack([Y == 0, Y != 1]).astype(int)
CODES = torch.tensor([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, 1.0, 1.0]])


class Tiny(nn.Module):
    def __init__(self, n_classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.last = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.last(torch.relu(self.conv(x)).mean(dim=(2, 3)))


class Distances(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Tiny(4)
        self.out = EuclideanRBF(CODES)

    def forward(self, x):
        return -self.out(torch.tanh(self.inner(x)))


PLAIN = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "schedule": "constant", "learning_rate_init": 0.1}


def model(network=None, **options):
    torch.manual_seed(0)
    if network is None:
        network = Distances() if str(options.get("loss")).startswith("rbf") else Tiny()
    base = {"max_iter": 1, "random_state": 0, "augment": "none", "batch_size": 48, **PLAIN}
    return ImageClassifier(network, **{**base, **options})


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def row_loss(name, z, y, options):
    """One image, one class or one table of 0 and 1, in float64, from the papers."""
    if np.ndim(y):
        return sum(question_loss(name, score, answer, options) for score, answer in zip(z, y, strict=True))
    p = np.exp(z) / np.exp(z).sum()
    if name == "cross_entropy":
        return -np.log(p[y])
    if name == "focal":
        return -((1 - p[y]) ** options.get("gamma", 2.0)) * np.log(p[y])
    if name == "hinge":
        return max(0.0, 1 + max(z[k] for k in range(len(z)) if k != y) - z[y])
    if name == "rbf_mse":
        return -z[y]
    return -z[y] + np.log(np.exp(-options.get("j", 1.0)) + np.exp(z).sum())


def question_loss(name, z, answer, options):
    p = sigmoid(z) if answer else 1 - sigmoid(z)
    if name == "binary_cross_entropy":
        return -np.log(p)
    if name == "hinge":
        return max(0.0, 1 - (z if answer else -z))
    weight = 1.0
    if "alpha" in options:
        weight = options["alpha"] if answer else 1 - options["alpha"]
    return -weight * (1 - p) ** options.get("gamma", 2.0) * np.log(p)


CASES = [
    ("cross_entropy", {}),
    ("focal", {}),
    ("focal", {"gamma": 0.5}),
    ("hinge", {}),
    ("rbf_map", {}),
    ("rbf_map", {"j": 3.0}),
    ("rbf_mse", {}),
]
SEVERAL = [("binary_cross_entropy", {}), ("focal", {"gamma": 1.5}), ("focal", {"alpha": 0.3}), ("hinge", {})]


def first_scores(fitted, network):
    with torch.no_grad():
        torch.manual_seed(0)
        return network().double()(fitted.prepare(X).double()).numpy()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_first_loss_of_classes(name, options):
    weight = 0.5 + np.arange(48) / 48
    fitted = model(loss=name, loss_options=options).fit(X, Y, weight)
    scores = first_scores(fitted, Distances if name.startswith("rbf") else Tiny)
    losses = [row_loss(name, z, y, options) for z, y in zip(scores, Y, strict=True)]
    np.testing.assert_allclose(fitted.loss_curve_[0], np.average(losses, weights=weight), rtol=1e-5)
    assert fitted.loss_name_ == name


@pytest.mark.parametrize(("name", "options"), SEVERAL)
def test_the_first_loss_of_labels(name, options):
    fitted = model(Tiny(2), loss=name, loss_options=options).fit(X, TABLE)
    torch.manual_seed(0)
    scores = first_scores(fitted, lambda: Tiny(2))
    losses = [row_loss(name, z, y, options) for z, y in zip(scores, TABLE, strict=True)]
    np.testing.assert_allclose(fitted.loss_curve_[0], np.mean(losses), rtol=1e-5)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_mixed_classes(name, options):
    """The loss of an image that is a share of one class and the rest of another is the mean of theirs."""
    loss = ImageLoss(name, 5, multi_label=False, options=options)
    scores = torch.tensor(-3 * RNG.rand(7, 5), requires_grad=True)
    shares = RNG.dirichlet(np.ones(5), 7) * (RNG.rand(7, 5) > 0.5)
    shares[:, 0] += 1 - shares.sum(axis=1)
    weight = RNG.rand(7)
    expected = np.sum(
        [
            w * sum(share * row_loss(name, z, k, options) for k, share in enumerate(row))
            for w, z, row in zip(weight, scores.detach().numpy(), shares, strict=True)
        ]
    )
    got = loss(scores, torch.tensor(shares), torch.tensor(weight))
    np.testing.assert_allclose(float(got.detach()), expected / 7, rtol=1e-12)
    np.testing.assert_allclose(
        float(loss.plain(scores.detach(), torch.tensor(shares), torch.tensor(weight))),
        expected / weight.sum(),
        rtol=1e-12,
    )
    assert torch.autograd.gradcheck(lambda z: loss(z, torch.tensor(shares), torch.tensor(weight)), (scores,))


@pytest.mark.parametrize(("name", "options"), SEVERAL)
def test_mixed_labels(name, options):
    loss = ImageLoss(name, 4, multi_label=True, options=options)
    scores, shares = RNG.normal(size=(6, 4)), RNG.rand(6, 4)
    shares[0] = [0, 1, 0, 1]
    expected = np.mean(
        [
            sum(
                t * question_loss(name, score, 1, options) + (1 - t) * question_loss(name, score, 0, options)
                for score, t in zip(z, row, strict=True)
            )
            for z, row in zip(scores, shares, strict=True)
        ]
    )
    np.testing.assert_allclose(float(loss(torch.tensor(scores), torch.tensor(shares), None)), expected, rtol=1e-12)


@pytest.mark.parametrize("augment", ["mixup", "cutmix"])
@pytest.mark.parametrize("name", EXCLUSIVE)
def test_every_loss_learns_from_mixed_images(name, augment):
    options = {"solver": "adamw", "learning_rate_init": 0.05, "batch_size": 16, "max_iter": 30}
    fitted = model(loss=name, augment=augment, **options).fit(X, Y, class_weight_of(Y))
    assert fitted.score(X, Y) > 0.9
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@pytest.mark.parametrize("name", SEPARATE)
def test_every_loss_learns_several_labels(name):
    options = {"solver": "adamw", "learning_rate_init": 0.05, "batch_size": 16, "max_iter": 60}
    fitted = model(Tiny(2), loss=name, augment="mixup", early_stopping=True, **options).fit(X, TABLE)
    assert fitted.score(X, TABLE) > 0.9
    assert fitted.score(X, TABLE) == (fitted.predict(X) == TABLE).all(axis=1).mean()
    with torch.no_grad():
        scores = fitted.network_(fitted.prepare(X)).numpy()
    np.testing.assert_array_equal(fitted.predict(X), scores > 0)


def class_weight_of(y):
    return np.where(y == 0, 2.0, 1.0)


@pytest.mark.parametrize("name", EXCLUSIVE)
def test_class_weight_is_a_sample_weight(name):
    by_class = model(loss=name, class_weight={0: 2.0, 1: 1.0, 2: 1.0}).fit(X, Y)
    by_image = model(loss=name).fit(X, Y, class_weight_of(Y))
    assert by_class.loss_curve_ == by_image.loss_curve_ != model(loss=name).fit(X, Y).loss_curve_


def test_gaussian_connections_are_trained_as_in_the_paper(tmp_path):
    digits = (X[..., :1] > 90).astype(np.uint8) * 255
    small = {"max_iter": 1, "random_state": 0, "image_size": 16}
    fitted = ImageClassifier("lenet5_1998", **small).fit(digits, Y)
    assert fitted.loss_name_ == "rbf_map"
    probs = fitted.predict_proba(digits[:5])
    with torch.no_grad():
        scores = fitted.network_(fitted.prepare(digits[:5])).double().numpy()
    np.testing.assert_allclose(probs, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), atol=1e-6)
    again = strata.load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(digits), fitted.predict_proba(digits))
    asked = ImageClassifier("lenet5_1998", loss="rbf_map", **small).fit(digits, Y)
    other = ImageClassifier("lenet5_1998", loss="cross_entropy", **small).fit(digits, Y)
    assert asked.loss_curve_ == fitted.loss_curve_ != other.loss_curve_
    own = model(Distances()).fit(X, Y)
    assert own.loss_name_ == "rbf_map"
    assert model(Tiny()).fit(X, Y).loss_name_ == "cross_entropy"
    assert model(Tiny(2)).fit(X, TABLE).loss_name_ == "binary_cross_entropy"


def test_scores_of_a_hinge_are_no_probabilities():
    unfitted = model(loss="hinge", solver="adamw", learning_rate_init=0.05, max_iter=20)
    assert not hasattr(unfitted, "predict_proba")
    fitted = unfitted.fit(X, Y)
    with pytest.raises(AttributeError) as caught:
        fitted.predict_proba(X)
    assert "its scores are no probabilities" in str(caught.value.__cause__)
    with torch.no_grad():
        scores = fitted.network_(fitted.prepare(X)).numpy()
    np.testing.assert_array_equal(fitted.predict(X), scores.argmax(axis=1))
    flipped = fitted.set_params(test_time="flip").predict(X)
    with torch.no_grad():
        mirrored = fitted.network_(fitted.prepare(X).flip(3)).numpy()
    np.testing.assert_array_equal(flipped, (scores + mirrored).argmax(axis=1))
    assert hasattr(fitted.set_params(loss="focal").fit(X, Y), "predict_proba")
    assert hasattr(fitted.set_params(loss="hinge"), "predict_proba"), "what was learned counts"


def test_saved_cloned_and_described(tmp_path):
    digits = X[..., :1]
    options = {"loss": "focal", "loss_options": {"gamma": 3.0}, "max_iter": 1, "random_state": 0}
    fitted = ImageClassifier("lenet5", **options).fit(digits, Y)
    assert {key: fitted.get_params()[key] for key in ("loss", "loss_options")} == {
        "loss": "focal",
        "loss_options": {"gamma": 3.0},
    }
    again = strata.load(fitted.save(tmp_path / "model"))
    assert again.loss_name_ == "focal"
    assert again.loss_options == {"gamma": 3.0}
    np.testing.assert_array_equal(again.predict_proba(digits), fitted.predict_proba(digits))
    assert clone(fitted).fit(digits, Y).loss_curve_ == fitted.loss_curve_
    hinge = ImageClassifier("lenet5", loss="hinge", max_iter=1, random_state=0).fit(digits, Y)
    loaded = strata.load(hinge.save(tmp_path / "hinge"))
    assert not hasattr(loaded, "predict_proba")
    np.testing.assert_array_equal(loaded.predict(digits), hinge.predict(digits))
    with pytest.raises(ValueError, match="`model` must give probabilities"):
        predict_pictures(loaded, [str(tmp_path)])
    with pytest.raises(ValueError, match="`model` must give probabilities"):
        evaluate_pictures(loaded, (digits, Y), record={})
    with pytest.raises(ValueError, match="`classifier` must give probabilities"):
        explain(loaded, digits[0])


def test_the_report_needs_probabilities():
    with pytest.raises(ValueError, match="`loss` must be one whose scores become probabilities, for the report"):
        plan_image_training((X, Y), params={"loss": "hinge"})


def test_a_run_that_is_resumed_with_another_loss_says_so(tmp_path):
    model(loss="focal", max_iter=2, checkpoint=tmp_path / "kept").fit(X, Y)
    for other in ({"loss": "cross_entropy"}, {"loss": "focal", "loss_options": {"gamma": 1.0}}):
        with pytest.warns(CheckpointWarning, match=r"loss='(cross_entropy|focal\(gamma=1\))' \(was 'focal'\)"):
            model(max_iter=2, checkpoint=tmp_path / "kept", resume=True, **other).fit(X, Y)


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        ({"loss": "mse"}, Y, r"The 'loss' parameter of ImageClassifier must be a str among .*'focal'"),
        (
            {"loss": "binary_cross_entropy"},
            Y,
            r"`loss` must be .*'hinge'.* for one class an image\. Received: loss='bi",
        ),
        ({"loss": "cross_entropy"}, TABLE, r"`loss` must be .* for several labels an image\. Received: loss='cross_e"),
        ({"loss": "rbf_map"}, TABLE, r"`loss` must be .* for several labels an image\. Received: loss='rbf_map'"),
        ({"loss": "rbf_mse"}, Y, r"does not end in Gaussian connections.*Received: loss='rbf_mse'"),
        ({"loss": "hinge", "label_smoothing": 0.1}, Y, r"`label_smoothing` must be 0 with loss='hinge'"),
        ({"loss": "focal", "loss_options": {"gama": 1.0}}, Y, r"'focal' has 'gamma', 'alpha'\. Received: 'gama'"),
        ({"loss_options": {"gamma": 1.0}}, Y, r"'cross_entropy' has none\. Received: 'gamma'"),
        ({"loss_options": {"label_smoothing": 0.1}}, Y, r"Received: 'label_smoothing'\. Use the argument"),
        ({"loss": "focal", "loss_options": {"gamma": -1}}, Y, r"`gamma` must be at least 0"),
        ({"loss": "focal", "loss_options": {"alpha": 0.5}}, Y, r"`alpha` must be None for exclusive classes"),
        ({"loss": "focal", "loss_options": {"gamma": "2"}}, Y, r"`loss_options` must map names to numbers"),
    ],
)
def test_refused(options, y, message):
    network = Tiny(2 if y is TABLE else 3)
    with pytest.raises(ValueError, match=message):
        model(network, **options).fit(X, y)


def test_distances_never_say_yes_to_a_label():
    with pytest.raises(ValueError, match="must hold one class an image for a network that ends in Gaussian"):
        ImageClassifier("lenet5_1998", max_iter=1).fit(X[..., :1], TABLE)


def test_what_is_asked_for_without_a_network():
    classes = ImageLabels(np.arange(3), multi_label=False)
    assert chosen_loss(ImageClassifier(), classes).name == "cross_entropy"
    network = build("lenet5_1998", n_classes=3)
    assert chosen_loss(ImageClassifier(loss_options={"j": 2.0}), classes, network).__name__ == "rbf_map(j=2)"
