"""Weights from files: whole and right, or refused; and the published ones give the published figures."""

import hashlib
import importlib
import io
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from strata._tensors import write_tensors
from strata.errors import DataError, MissingExtraError, ModelRefusedError, OfflineError
from strata.models import (
    build,
    convert_checkpoint,
    fetch_weights,
    head_of,
    load_weights,
    model_info,
    pretrained_weights,
    save_weights,
)
from strata.models import weights as module


def same(one, other):
    return all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


# -- a network's own names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_own_names_go_round(tmp_path, suffix):
    source, target = build("resnet8", seed=0), build("resnet8", seed=1)
    source.bn1.running_mean.fill_(3.0)
    path = tmp_path / f"w{suffix}"
    if suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in source.state_dict().items()})
    else:
        digest = save_weights(source, path)
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not same(source, target)
    assert load_weights(target, path) == ()
    assert same(source, target)
    assert same(source, build("resnet8", weights=path))
    assert same(source, build("resnet8", weights=str(path)))


def test_another_number_of_classes_keeps_everything_but_the_head(tmp_path):
    source = build("resnet8", seed=0)
    save_weights(source, tmp_path / "w.safetensors")
    target = build("resnet8", n_classes=4, weights=tmp_path / "w.safetensors", seed=3)
    fresh = build("resnet8", n_classes=4, seed=3)
    for key, value in target.state_dict().items():
        expected = fresh if key.startswith("linear") else source
        assert torch.equal(value, expected.state_dict()[key]), key
    assert load_weights(target, source.state_dict()) == ("linear.bias", "linear.weight")


def test_auxiliary_heads_are_no_condition():
    source = build("googlenet", n_classes=3, seed=0)
    without = build("googlenet", n_classes=3, options={"aux_logits": False}, seed=1)
    assert load_weights(without, source.state_dict()) == ()
    again = build("googlenet", n_classes=3, seed=2)
    fresh = load_weights(again, without.state_dict())
    assert fresh and all(key.startswith(("aux1.", "aux2.")) for key in fresh)
    more = build("googlenet", n_classes=5, seed=2)
    names = {f"{head}.{part}" for head in ("fc", "aux1.fc2", "aux2.fc2") for part in ("weight", "bias")}
    assert set(load_weights(more, source.state_dict())) == names


def test_grey_images_take_colour_weights():
    colour, grey = build("resnet8", seed=0).eval(), build("resnet8", in_channels=1, seed=1).eval()
    assert load_weights(grey, colour.state_dict()) == ()
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(grey(x), colour(x.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelRefusedError, match=r"'conv1.weight' has shape \[16, 3, 3, 3\], and this network needs"):
        load_weights(build("resnet8", in_channels=4), colour.state_dict())


def test_a_network_of_ones_own():
    source, target = (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, k)) for k in (2, 5))
    state = {key: value for key, value in source.state_dict().items() if "num_batches" not in key}
    assert load_weights(target, state) == ("2.bias", "2.weight")
    assert torch.equal(target[0].weight, source[0].weight)


def test_nothing_is_changed_by_a_refusal():
    network = build("resnet8", seed=0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for change, message in [
        (lambda s: s.pop("layer1.0.bn1.weight"), "'layer1.0.bn1.weight' is missing, so it is not of this network"),
        (lambda s: s.update(more=torch.zeros(1)), "'more' is no weight of this network"),
        (
            lambda s: s.update({"bn1.bias": torch.zeros(4)}),
            r"'bn1.bias' has shape \[4\], and this network needs \[16\]",
        ),
        (lambda s: s["layer3.0.bn1.bias"].fill_(np.nan), "'layer3.0.bn1.bias' holds NaN or infinity"),
        (lambda s: s["linear.bias"].fill_(np.inf), "'linear.bias' holds NaN or infinity"),
    ]:
        state = {key: value.clone() for key, value in build("resnet8", seed=1).state_dict().items()}
        change(state)
        with pytest.raises(ModelRefusedError, match=f"The mapping is refused: {message}"):
            load_weights(network, state)
        assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_half_precision_files_give_float32(tmp_path):
    source = build("resnet8", seed=0)
    state = {k: v.half() if v.is_floating_point() else v for k, v in source.state_dict().items()}
    write_tensors(tmp_path / "w.safetensors", state)
    network = build("resnet8", weights=tmp_path / "w.safetensors")
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    torch.testing.assert_close(network.conv1.weight, source.conv1.weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["w.pth", "w.th", "w.bin"])
def test_pickles_are_never_read_by_the_way(tmp_path, name):
    torch.save(build("resnet8").state_dict(), tmp_path / name)
    with pytest.raises(
        ModelRefusedError, match=r"weights are read from .safetensors and .npz files.*convert_checkpoint"
    ):
        build("resnet8", weights=tmp_path / name)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "w.npz"
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(ModelRefusedError, match="not a readable .npz archive"):
        load_weights(build("resnet8"), path)
    np.savez(path, a=np.array(["text"]))
    with pytest.raises(ModelRefusedError, match="'a' holds no numbers"):
        load_weights(build("resnet8"), path)
    path = tmp_path / "w.safetensors"
    save_weights(build("resnet8"), path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelRefusedError, match="is refused: it has"):
        load_weights(build("resnet8"), path)
    with pytest.raises(OSError, match="No such file"):
        load_weights(build("resnet8"), tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="`path` must end in .safetensors. Received: path="):
        save_weights(build("resnet8"), tmp_path / "w.pth")


# -- checkpoints of PyTorch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}}])
def test_checkpoints_are_read_by_explicit_call(tmp_path, new_format, wrap):
    source, target = build("resnet8", seed=0), build("resnet8", seed=1)
    path = tmp_path / "w.th"
    torch.save(wrap(source.state_dict()), path, _use_new_zipfile_serialization=new_format)
    assert load_weights(target, convert_checkpoint(path)) == ()
    assert same(source, target)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was-run",)


def test_hostile_checkpoints_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pth"

    def refused(message):
        with pytest.raises(ModelRefusedError, match=message):
            convert_checkpoint(path)
        assert not (tmp_path / "was-run").exists()

    path.write_bytes(pickle.dumps({"a": Evil()}))
    refused("it is not a file of plain tensors")
    torch.save({"a": Evil()}, path)
    refused("it is not a file of plain tensors")
    torch.save(build("resnet8"), path)
    refused("it is not a file of plain tensors")
    for content, message in [
        ({"a": torch.tensor([1.0, np.nan])}, "'a' holds NaN or infinity"),
        ({"a": torch.zeros(1).expand(1 << 40)}, "'a' is no plain tensor within the file"),
        ({"a": torch.zeros(3).to_sparse()}, "'a' is no plain tensor within the file"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "'a' is no plain tensor within the file"),
        ({"a": 3}, "'a' is not a tensor with a name"),
        ({3: torch.zeros(1)}, "'3' is not a tensor with a name"),
        ([torch.zeros(1)], "it holds no mapping from names to tensors"),
        ({}, "it holds no mapping from names to tensors"),
    ]:
        torch.save(content, path)
        refused(message)


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.randn(1000)}, path)
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:300], b"", b"\x80\x02garbage", b"text"):
        path.write_bytes(content)
        with pytest.raises(ModelRefusedError, match="is refused: it "):
            convert_checkpoint(path)
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    with pytest.raises(ModelRefusedError, match="its members are compressed or overlap"):
        convert_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        convert_checkpoint(tmp_path / "none.pth")


def test_a_checkpoint_has_a_bound(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    monkeypatch.setattr(module, "MAX_CHECKPOINT", 100)
    with pytest.raises(ModelRefusedError, match="bytes are more than the 100 that are read"):
        convert_checkpoint(tmp_path / "w.pth")


# -- words -----------------------------------------------------------------------------------------------------------


def test_words_of_each_network(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PRETRAINED", tmp_path)
    assert pretrained_weights("resnet18") == ("imagenet",)
    assert pretrained_weights("resnet50") == ("imagenet", "imagenet_v2")
    assert pretrained_weights("resnet20") == pretrained_weights("mobilenet_v1") == ()
    (tmp_path / "resnet20_cifar10.safetensors").touch()
    (tmp_path / "vgg11_bn_cifar10.safetensors").touch()
    assert pretrained_weights("resnet20") == ("cifar10",)
    assert pretrained_weights("vgg11") == ("imagenet",)
    assert pretrained_weights("vgg11_bn") == ("cifar10", "imagenet")
    with pytest.raises(ValueError, match="Unknown model 'resnet21'. Did you mean"):
        pretrained_weights("resnet21")
    with pytest.raises(ValueError, match="`weights` of 'resnet20' must be the path of a file or one of: cifar10. Rec"):
        build("resnet20", weights="imagenet")
    with pytest.raises(ValueError, match="`weights` of 'lenet5' must be the path of a file. Received: 'imagenet'."):
        build("lenet5", weights="imagenet")


def test_words_agree_with_torchvision():
    models = pytest.importorskip("torchvision").models
    for word, names in module.TORCHVISION.items():
        assert all(module.ENTRIES[word] in models.get_model_weights(name).__members__ for name in names)


def test_shipped_weights_are_loaded_without_a_network(tmp_path, monkeypatch):
    source = build("resnet8", seed=0)
    state = {k: v.half() if v.is_floating_point() else v for k, v in source.state_dict().items()}
    write_tensors(tmp_path / "resnet8_cifar10.safetensors", state)
    monkeypatch.setattr(module, "PRETRAINED", tmp_path)
    network = build("resnet8", weights="cifar10", offline=True)
    torch.testing.assert_close(network.linear.weight, source.linear.weight, rtol=1e-3, atol=1e-4)
    grey = build("resnet8", weights="cifar10", in_channels=1, n_classes=3)
    assert torch.equal(grey.layer1[0].conv1.weight, network.layer1[0].conv1.weight)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Serve a checkpoint in the place of torchvision's, with the hash that its entry would have."""
    pytest.importorskip("torchvision")
    monkeypatch.setenv("STRATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STRATA_OFFLINE", raising=False)
    content = io.BytesIO()
    torch.save(build("resnet18", seed=0).state_dict(), content)
    content = content.getvalue()
    true = module._published("resnet18", "imagenet")
    served = module.RemoteFile(true.name, true.urls, len(content), hashlib.sha256(content).hexdigest()[:8], exact=False)
    monkeypatch.setattr(module, "_published", lambda name, word: served)
    asked = []

    def answer(url):
        asked.append(url)
        return io.BytesIO(content)

    monkeypatch.setattr(importlib.import_module("strata._download"), "_open", answer)
    return asked


def test_published_weights_are_fetched_once(published, tmp_path):
    seen = []
    network = build("resnet18", weights="imagenet", on_bytes=lambda done, total: seen.append((done, total)))
    assert same(network, build("resnet18", seed=0))
    assert len(published) == 1 and published[0].startswith("https://") and published[0].endswith(".pth")
    assert seen[-1][0] == seen[-1][1]
    path = fetch_weights("resnet18", offline=True)
    assert path.parent == tmp_path / "home" / "weights"
    small = build("resnet18", n_classes=3, weights="imagenet", offline=True)
    assert small.fc.out_features == 3 and torch.equal(small.conv1.weight, network.conv1.weight)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(
        OfflineError, match="weights='imagenet' of 'resnet18' needs resnet18-f37072fd.pth from the netw"
    ):
        build("resnet18", weights="imagenet", offline=True)
    fetch_weights("resnet18")
    assert len(published) == 2


def test_a_wrong_hash_is_no_model(published, monkeypatch):
    wrong = module.RemoteFile("resnet18-00000000.pth", ("https://one/a",), 50_000_000, "00000000", exact=False)
    monkeypatch.setattr(module, "_published", lambda name, word: wrong)
    with pytest.raises(DataError, match="the SHA-256 is .* published is 00000000. Nothing was kept"):
        build("resnet18", weights="imagenet")
    too_long = module.RemoteFile("resnet18-00000000.pth", ("https://one/a",), 1_000_000, "00000000", exact=False)
    monkeypatch.setattr(module, "_published", lambda name, word: too_long)
    with pytest.raises(DataError, match="1000000 bytes were published, but more came"):
        build("resnet18", weights="imagenet")


def test_the_addresses_are_torchvisions():
    pytest.importorskip("torchvision")
    file = module._published("resnet50", "imagenet_v2")
    assert file.name == "resnet50-11ad3fa6.pth" and file.sha256 == "11ad3fa6"
    assert 95e6 < file.size < 110e6 and not file.exact
    for word, names in module.TORCHVISION.items():
        for name in names:
            file = module._published(name, word)
            assert file.urls[0].startswith("https://") and len(file.sha256) == 8


def test_without_torchvision_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(
        MissingExtraError, match=r"weights='imagenet' needs torchvision.* pip install 'strata\[vision\]'"
    ):
        build("resnet18", weights="imagenet")


def test_googlenet_with_published_weights_rescales_and_drops_auxiliary_heads(monkeypatch, tmp_path):
    path = tmp_path / "googlenet.pth"
    torch.save(build("googlenet", seed=0).state_dict(), path)
    monkeypatch.setattr("strata.models.building.fetch_weights", lambda *args, **kwargs: path)
    network = build("googlenet", weights="imagenet")
    assert network.transform_input and network.aux1 is None
    kept = build("googlenet", weights="imagenet", options={"transform_input": False, "aux_logits": True})
    assert not kept.transform_input and kept.aux1 is not None
    grey = build("googlenet", weights="imagenet", in_channels=1)
    assert not grey.transform_input


# -- the weights beside the checkout ---------------------------------------------------------------------------------


def cifar_test(shared_data):
    with np.load(shared_data / "cifar10" / "test_first1000.npz") as archive:
        delta, labels = archive["delta"], archive["labels"]
    x = delta.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    x[:, 0] += x[:, 1]
    x[:, 2] += x[:, 1]
    return torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))


def normalised(pixels, name):
    info = model_info(name)
    mean, std = (torch.tensor(values)[:, None, None] for values in (info.mean, info.std))
    return (pixels / 255 - mean) / std


def accuracy(network, x, y):
    with torch.no_grad():
        hits = sum(int((network(part).argmax(1) == y[at : at + 250]).sum()) for at, part in zip(
            range(0, len(x), 250), x.split(250), strict=True
        ))  # fmt: skip
    return hits / len(x)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "expected"), [("resnet20", 0.915), ("resnet56", 0.926)])
def test_residual_networks_reach_their_figures(shared_data, name, expected):
    network = build(name, weights=shared_data / "weights" / f"{name}_cifar10.npz").eval()
    x, y = cifar_test(shared_data)
    assert accuracy(network, normalised(x, name), y) == expected


@pytest.mark.shared
def test_the_original_checkpoint_holds_the_same_weights(shared_data):
    network = build("resnet20", weights=shared_data / "weights" / "resnet20_cifar10.npz")
    other = build("resnet20", seed=9)
    assert load_weights(other, convert_checkpoint(shared_data / "weights" / "resnet20-12fca82f.th")) == ()
    assert same(network, other)


def photograph(shared_data, name, n_pixels=224):
    with Image.open(shared_data / "photos" / name) as opened:
        image = opened.convert("RGB")
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    image = image.crop((left, top, left + short, top + short)).resize((n_pixels, n_pixels), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]


@pytest.mark.shared
def test_mobilenet_names_the_photographs(shared_data):
    words = (shared_data / "weights" / "imagenet_synset_words.txt").read_text().splitlines()
    path = shared_data / "weights" / "mobilenet_v1_0.25_224_imagenet.npz"
    network = build("mobilenet_v1", options={"width": 0.25}, weights=path).eval()
    for photo, best in (("chelsea.png", ["tabby", "Egyptian cat"]), ("coffee.png", ["espresso"])):
        with torch.no_grad():
            probs = network(normalised(photograph(shared_data, photo), "mobilenet_v1")).softmax(1)[0]
        found = probs.topk(len(best)).indices.tolist()
        assert all(word in words[k] for word, k in zip(best, found, strict=True)), (photo, [words[k] for k in found])
        assert float(probs[found].sum()) > 0.6
    with pytest.raises(
        ModelRefusedError, match=r"'conv1.weight' has shape \[8, 3, 3, 3\], and this network needs \[32"
    ):
        build("mobilenet_v1", weights=path)
    with pytest.raises(ModelRefusedError, match="it holds weights of 'mobilenet_v1', and the network is 'resnet20'"):
        build("resnet20", weights=path)


@pytest.mark.shared
def test_squeezenet_takes_normalised_rgb(shared_data):
    path = shared_data / "weights" / "squeezenet_v1.1_imagenet_notop.npz"
    network = build("squeezenet1_1", n_classes=3, seed=0).eval()
    assert load_weights(network, path) == ("classifier.1.bias", "classifier.1.weight")
    assert head_of(network) == "classifier.1"
    pixels = photograph(shared_data, "chelsea.png", 96)
    with torch.no_grad():
        ours = network.features[0](normalised(pixels, "squeezenet1_1"))
    with np.load(path) as archive:
        kernel, bias = archive["conv1/kernel"].astype(float), archive["conv1/bias"].astype(float)
    bgr = pixels[0].numpy()[::-1].transpose(1, 2, 0) - np.array([103.939, 116.779, 123.68])
    for row, column in ((0, 0), (20, 31), (46, 46)):  # as Keras computes it: no padding, stride 2
        window = bgr[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        expected = (window[..., None] * kernel).sum((0, 1, 2)) + bias
        np.testing.assert_allclose(ours[0, :, row, column].numpy(), expected, rtol=1e-3, atol=2e-3)


@pytest.mark.shared
def test_squeezenet_features_tell_classes_apart(shared_data):
    """A linear probe beats the same weights in disorder by far (73.6 % against 27.4 % in the notes on the data)."""
    x, y = cifar_test(shared_data)
    x, y = x[:400], y[:400]
    path = shared_data / "weights" / "squeezenet_v1.1_imagenet_notop.npz"
    network = build("squeezenet1_1", weights=path).eval()
    big = nn.functional.interpolate(normalised(x, "squeezenet1_1"), size=64, mode="bilinear", align_corners=False)
    scores = []
    for _ in range(2):
        with torch.no_grad():
            features = torch.cat([network.features(part).mean((2, 3)) for part in big.split(100)])
        features = nn.functional.normalize(features - features[:250].mean(0), dim=1)
        targets = nn.functional.one_hot(y[:250], 10).float()
        ridge = features[:250].T @ features[:250] + 0.5 * torch.eye(features.shape[1])
        solution = torch.linalg.solve(ridge, features[:250].T @ targets)
        scores.append(float(((features[250:] @ solution).argmax(1) == y[250:]).float().mean()))
        for parameter in network.features.parameters():  # the same numbers in disorder
            values = parameter.data.flatten()
            parameter.data.copy_(values[torch.randperm(len(values))].view_as(parameter))
    assert scores[0] > 0.42 > 0.35 > scores[1], scores


@pytest.mark.shared
def test_the_shipped_backbone_reaches_the_figure_on_its_card(shared_data):
    network = build("resnet20", weights="cifar10", offline=True).eval()
    x, y = cifar_test(shared_data)
    assert accuracy(network, normalised(x, "resnet20"), y) == pytest.approx(0.882, abs=0.002)
