"""Registered networks with learned weights from files, and model folders that hold image classifiers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import strata
from strata import ImageClassifier
from strata.errors import ModelRefusedError
from strata.estimators._folder import CONFIG, _digest, _render
from strata.models import build, model_info, save_weights

RNG = np.random.RandomState(0)
X = RNG.randint(0, 130, (24, 16, 16, 3)).astype(np.uint8)
Y = np.arange(24) % 3
X[np.arange(24), :, :, Y] += 90
SHORT = {"max_iter": 2, "random_state": 0, "augment": "none", "batch_size": 8}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a network that knows seven classes."""
    network = build("resnet8", n_classes=7, seed=3)
    path = tmp_path_factory.mktemp("weights") / "resnet8.safetensors"
    save_weights(network, path)
    return path, network


def test_weights_of_a_file_are_the_beginning(weights):
    path, learned = weights
    model = ImageClassifier("resnet8", weights=path, transfer="last", **SHORT).fit(X, Y)
    assert model.features_cached_
    for name, value in learned.state_dict().items():
        if not name.startswith("linear."):
            assert torch.equal(model.network_.state_dict()[name], value), name
    info = model_info("resnet8")
    np.testing.assert_array_equal(model.mean_, info.mean)
    np.testing.assert_array_equal(model.std_, info.std)
    everything = ImageClassifier("resnet8", weights=str(path), transfer="all", **SHORT).fit(X, Y)
    assert not torch.equal(everything.network_.conv1.weight, learned.conv1.weight)


def test_grey_images_are_shown_in_every_channel(weights):
    model = ImageClassifier("resnet8", weights=weights[0], transfer="last", **SHORT).fit(X[..., 0], Y)
    assert model.in_channels_ == 3
    assert model.input_shape_ == (16, 16, 1)
    x = model.prepare(X[..., 0]) * torch.tensor(model.std_).view(3, 1, 1) + torch.tensor(model.mean_).view(3, 1, 1)
    np.testing.assert_allclose(x[:, 0], x[:, 2], atol=1e-6)


def test_other_classes_need_a_transfer(weights):
    with pytest.raises(ValueError, match=r"`transfer` must be set for weights that know other classes.*3 classes"):
        ImageClassifier("resnet8", weights=weights[0], **SHORT).fit(X, Y)
    seven = np.arange(24) % 7
    kept = ImageClassifier("resnet8", weights=weights[0], max_iter=1, learning_rate_init=1e-12, random_state=0)
    kept.fit(X, seven)
    np.testing.assert_allclose(kept.network_.linear.weight.detach(), weights[1].linear.weight.detach(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"model": "resnet8", "weights": "imagenet"}, ValueError, r"`weights` of 'resnet8' must be the path of a file"),
        ({"weights": "imagnet"}, ValueError, r"Unknown weights 'imagnet'\. Did you mean 'imagenet'"),
        ({"weights": "some/file.npz"}, ValueError, r"`model` must be the network that weights in a file are of"),
        ({"model": "resnet8", "weights": "no/such.npz"}, ModelRefusedError, "no/such.npz"),
        ({"model": "resnet8", "weights": "old.pth"}, ModelRefusedError, "convert_checkpoint"),
        ({"model": "resnet8", "model_options": {"width": 2}}, ValueError, "Unknown option of 'resnet8' 'width'"),
        ({"model": "resnet8", "transfer": "all"}, ValueError, "`transfer` must start from learned weights"),
    ],
)
def test_weights_that_are_none(options, error, match):
    with pytest.raises(error, match=match):
        ImageClassifier(**options, **SHORT).fit(X, Y)


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(ModelRefusedError, match="is refused"):
        ImageClassifier("resnet20", weights=weights[0], transfer="all", **SHORT).fit(X, Y)


def test_the_network_of_1998_sees_paper_and_ink():
    model = ImageClassifier("lenet5_1998", **SHORT).fit(X[..., 0], Y)
    x = model.prepare(np.array([[[0, 255]] * 16] * 1, dtype=np.uint8).repeat(8, axis=2))
    np.testing.assert_allclose([float(x.min()), float(x.max())], [-0.1, 1.175], atol=1e-6)


def test_auxiliary_heads_learn_too_and_options_are_kept(tmp_path):
    images = X.repeat(2, axis=1).repeat(2, axis=2)
    model = ImageClassifier("googlenet", model_options={"dropout": 0.5}, max_iter=1, random_state=0, batch_size=12)
    model.fit(images[:12], Y[:12])
    fresh = build("googlenet", n_classes=3, options={"dropout": 0.5})
    assert fresh.state_dict().keys() == model.network_.state_dict().keys()
    back = strata.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.predict_proba(images[:4]), model.predict_proba(images[:4]))
    assert back.network_.strata_options == {"dropout": 0.5}


# -- folders -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = ImageClassifier("resnet8", early_stopping=True, **SHORT).fit(X, np.array(["a", "b", "ü"])[Y])
    return model, model.save(tmp_path_factory.mktemp("models") / "model")


def test_a_saved_classifier_comes_back_with_the_same_bits(saved):
    model, folder = saved
    back = strata.load(folder)
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    assert (back.predict(X) == model.predict(X)).all()
    for name, value in model.network_.state_dict().items():
        assert torch.equal(back.network_.state_dict()[name], value), name
    assert back.network_.state_dict()["bn1.num_batches_tracked"] > 0
    assert back.get_params()["model"] == "resnet8"
    assert back.history_.rows() == model.history_.rows()
    assert not back.network_.training
    back.set_params(warm_start=True).fit(X, np.array(["a", "b", "ü"])[Y])
    assert back.n_iter_ == model.n_iter_ + 2


def test_a_module_of_ones_own_is_refused_with_a_way_out(tmp_path):
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    model = ImageClassifier(module, **SHORT).fit(X, Y)
    with pytest.raises(TypeError, match=r"`model` must be the name.*Sequential of your own.*register_model"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_paths_are_kept_as_text_and_never_read(tmp_path, weights):
    model = ImageClassifier("resnet8", weights=weights[0], transfer="last", cache_folder=tmp_path / "c", **SHORT)
    folder = model.fit(X, Y).save(tmp_path / "model")
    back = strata.load(folder)
    assert back.weights == str(weights[0])
    assert back.cache_folder is None


def forged(folder: Path, target: Path, **changes) -> Path:
    """A copy whose configuration says something else, with a digest that fits."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / CONFIG).read_bytes())
    for place, value in changes.items():
        part, _, name = place.partition("__")
        config[part][name] = value(config[part][name]) if callable(value) else value
    config.pop("digest")
    config["digest"] = _digest(config)
    (target / CONFIG).write_bytes(_render(config))
    return target


def without_first(network):
    return {"$dict": network["$dict"][1:]}


def other_name(network):
    first, *rest = network["$dict"]
    return {"$dict": [["conv1.wait", first[1]], *rest]}


def larger(network):
    (name, mark), *rest = network["$dict"]
    key, shape, dtype = mark["$array"]
    return {"$dict": [[name, {"$array": [key, [1 << 20, *shape[1:]], dtype]}], *rest]}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"state__model_name_": "os.system", "params__model": "auto"}, "'os.system' is not registered here"),
        ({"state__model_name_": "resnet20", "params__model": "auto"}, "only the network has"),
        ({"state__model_name_": "resnet20"}, "`model` and `model_name_` do not fit"),
        ({"state__in_channels_": 1}, r"`mean_` or `std_`"),
        ({"state__in_channels_": 1 << 40}, "in_channels_"),
        ({"state__image_size_": {"$tuple": [0, 16]}}, "image_size_"),
        ({"state__classes_": {"$inline": ["int64", [2], [0, 1]]}}, "'linear"),
        ({"state__network": without_first}, "only the network has 'conv1.weight'"),
        ({"state__network": other_name}, "only the (network|file) has 'conv1"),
        ({"state__network": larger}, "'conv1.weight' has the shape"),
        ({"state__network": 3}, "network"),
        ({"state__network_options": {"$dict": [["width", 9]]}}, "Unknown option"),
        ({"state__network_options": {"$dict": [["shortcut", "Q"]]}}, "is refused"),
        ({"state__history": {"$dict": [["loss", [1.0]]]}}, "history"),
        ({"params__model": 3}, "'model' parameter"),
        ({"params__value_range": "data"}, "`value_limits_` is missing"),
    ],
)
def test_forged_folders_are_refused(saved, tmp_path, changes, match):
    with pytest.raises(ModelRefusedError, match=match):
        strata.load(forged(saved[1], tmp_path / "forged", **changes))


def test_a_damaged_byte_is_found(saved, tmp_path):
    target = forged(saved[1], tmp_path / "damaged")
    data = bytearray((target / "weights.safetensors").read_bytes())
    data[-7] ^= 1
    (target / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(ModelRefusedError):
        strata.load(target)
