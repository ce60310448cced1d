"""One call for all: parts, numbers, the page, the folder, and what is refused."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from digit_networks import Residual
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

import strata
from strata.data import find_images
from strata.errors import DataError, ModelRefusedError
from strata.explain import Explanation, explain, list_parts, pretrained_classifier
from strata.models import build, save_weights

X, Y = load_digits(return_X_y=True)
IMAGES = X.reshape(-1, 8, 8)
NAMES = np.array([f"digit {k}" for k in range(10)])[Y]


@pytest.fixture(scope="module")
def model():
    """LeNet-5 on digits, which are enlarged to 28 pixels."""
    return strata.ImageClassifier(value_range=(0, 16), max_iter=12, random_state=0).fit(IMAGES[:400], NAMES[:400])


@pytest.fixture(scope="module")
def explanation(model):
    return explain(model, IMAGES[1500], training=(IMAGES[:300], NAMES[:300]), n_steps=6, projection="pca")


def test_all_parts_are_there_in_the_order_of_the_page(explanation):
    assert list(explanation.figures) == list(list_parts())
    assert explanation.left_out == {}
    assert explanation.model == "lenet5" and list(explanation.layers) == ["low", "high"]


def test_the_numbers_are_those_of_the_classifier(model, explanation):
    probs = model.predict_proba(IMAGES[1500:1501])[0]
    assert explanation.predictions[0] == (model.predict(IMAGES[1500:1501])[0], pytest.approx(probs.max()))
    assert [p for _, p in explanation.predictions] == pytest.approx(sorted(probs, reverse=True))
    assert explanation.target == explanation.predictions[0][0]
    described = explanation.to_dict()
    saliency = described["parts"]["saliency"]
    with torch.no_grad():
        x = model.prepare(IMAGES[1500:1501])
        at = list(model.classes_).index(explanation.target)
        rise = float((model.network_(x) - model.network_(torch.zeros_like(x)))[0, at])
    assert saliency["rise"] == pytest.approx(rise, rel=1e-5)
    assert saliency["sum_of_shares"] == pytest.approx(rise, rel=0.05)
    assert 0 < described["parts"]["evidence"]["largest_fall"] <= 1


def test_neighbours_are_those_of_the_features(model, explanation):
    features = model.features(IMAGES[:300]).astype(float)
    own = model.features(IMAGES[1500:1501]).astype(float)[0]
    cosine = 1 - features @ own / np.linalg.norm(features, axis=1) / np.linalg.norm(own)
    found = explanation.to_dict()["parts"]["neighbours"]
    assert found["distances"] == pytest.approx(np.sort(cosine)[:8], abs=1e-6)
    assert found["labels"] == NAMES[np.argsort(cosine)[:8]].tolist()
    assert found["n_searched"] == found["n_all"] == 300


def test_an_image_of_the_training_set_finds_itself(model):
    again = explain(model, IMAGES[7], what="neighbours", training=(IMAGES[:50], NAMES[:50]))
    part = again.to_dict()["parts"]["neighbours"]
    assert part["distances"][0] < 1e-6 and "The nearest is the same to the network." in part["caption"]


def test_another_class_can_be_asked_about(model, explanation):
    other = next(label for label in model.classes_ if label != explanation.target)
    asked = explain(model, IMAGES[1500], target=other, what=["prediction", "saliency"])
    assert asked.target == other and asked.predictions == explanation.predictions
    assert asked.to_dict()["parts"]["saliency"]["rise"] != explanation.to_dict()["parts"]["saliency"]["rise"]
    assert f"Explained is <strong>{other}</strong>" in asked.to_html()


def test_layers_can_be_chosen(model):
    name = next(n for n, m in model.network_.named_modules() if isinstance(m, nn.Conv2d))
    chosen = explain(model, IMAGES[0], what=["maps", "patterns"], layers=[name])
    assert chosen.layers == {name: name} and list(chosen.to_dict()["parts"]["patterns"]["units"]) == [name]
    head = [n for n, m in model.network_.named_modules() if isinstance(m, nn.Linear)][-1]
    dense = explain(model, IMAGES[0], what=["maps", "filters"], layers=[head])
    assert dense.left_out == {"maps": "none of the layers gives maps"} and list(dense.figures) == ["filters"]
    assert "Left out" in str(dense) and "none of the layers gives maps" in dense.to_html()


def test_the_same_seed_gives_the_same_numbers(model):
    settings = {"what": ["made", "projection"], "training": (IMAGES[:60], NAMES[:60]), "n_steps": 3}
    first, second = (explain(model, IMAGES[3], **settings).to_dict() for _ in range(2))
    assert first == second
    assert first != explain(model, IMAGES[3], **settings, random_state=1).to_dict()


def test_the_classifier_is_left_as_it_was(model):
    before = {name: value.clone() for name, value in model.network_.state_dict().items()}
    modes = [module.training for module in model.network_.modules()]
    parameters = model.get_params()
    gradients = [None if p.grad is None else p.grad.clone() for p in model.network_.parameters()]
    explain(model, IMAGES[5], what=["evidence", "saliency", "made"], n_steps=2)
    assert all(torch.equal(before[name], value) for name, value in model.network_.state_dict().items())
    assert [module.training for module in model.network_.modules()] == modes
    assert all(
        torch.equal(a, b.grad) for a, b in zip(gradients, model.network_.parameters(), strict=True) if a is not None
    )
    assert model.get_params() == parameters


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.ids, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.addresses += [values[name] for name in ("href", "src", "xlink:href") if name in values]

    def handle_data(self, data):
        self.text += data


def test_the_folder_holds_a_page_that_needs_nothing_else(explanation, tmp_path):
    page = explanation.save(tmp_path / "runs" / "seen")
    folder = page.parent
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["explanation.html", "explanation.json", *(f"{name}.png" for name in list_parts())]
    )
    for name in list_parts():
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 100
    assert json.loads((folder / "explanation.json").read_text())["predictions"][0]["class"] == explanation.target
    seen = Page(page.read_text())
    assert seen.tags.count("svg") == len(list_parts()) and "script" not in seen.tags and "link" not in seen.tags
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in seen.addresses)
    assert len(seen.ids) == len(set(seen.ids))
    assert seen.text.count("How it can mislead.") == len(list_parts())
    assert explanation.target in seen.text and "prefers-color-scheme: dark" in page.read_text()


def test_names_of_any_kind_are_escaped(tmp_path):
    odd = np.array(["<script>alert(1)</script>", "$\\frac{1}{2}$ & \x00 _x"])
    model = strata.ImageClassifier(value_range=(0, 16), max_iter=1, random_state=0).fit(IMAGES[:60], odd[Y[:60] % 2])
    page = explain(model, IMAGES[0], what=["prediction", "evidence"]).save(tmp_path).read_text()
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page and "\x00" not in page


def test_a_folder_is_never_overwritten_by_chance(model, tmp_path):
    small = explain(model, IMAGES[0], what="prediction")
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match=r"`folder` must be new or empty.*Give force=True \(--force\)"):
        small.save(tmp_path)
    with pytest.raises(ValueError, match="`folder` must hold an explanation to be replaced"):
        small.save(tmp_path, force=True)
    with pytest.raises(ValueError, match="`folder` must be a folder"):
        small.save(tmp_path / "mine.txt")
    folder = tmp_path / "seen"
    explain(model, IMAGES[0], what=["prediction", "filters"]).save(folder)
    with pytest.raises(ValueError, match="`folder` must be new or empty"):
        small.save(folder)
    small.save(folder, force=True)
    assert sorted(p.name for p in folder.iterdir()) == ["explanation.html", "explanation.json", "prediction.png"]
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_nothing_half_written_stays_when_writing_fails(model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    small = explain(model, IMAGES[0], what="prediction")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        small.save(tmp_path / "seen")
    assert list((tmp_path / "seen").iterdir()) == []


@pytest.fixture
def photos(tmp_path):
    """A folder of class folders with small pictures, and one that is damaged beside it."""
    rng = np.random.RandomState(0)
    for number, name in enumerate(("red", "blue")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(6):
            pixels = rng.randint(0, 90, (40, 30, 3)).astype(np.uint8)
            pixels[..., 2 * number] += 120
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{k}.png")
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nhello")
    return tmp_path / "photos"


def test_files_and_folders(photos):
    model = strata.ImageClassifier("resnet8", max_iter=2, image_size=32, random_state=0).fit(photos)
    image = photos / "red" / "0.png"
    for training in (photos, str(photos), find_images(photos)):
        seen = explain(model, image, what="neighbours", training=training)
        part = seen.to_dict()["parts"]["neighbours"]
        assert seen.image == "0.png" and part["n_searched"] == 12
        assert part["labels"][0] == "red" and part["distances"][0] < 1e-6
    alone = explain(model, str(image), what="neighbours", training=[str(p) for p in find_images(photos).paths])
    assert alone.to_dict()["parts"]["neighbours"]["labels"] == [None] * 8
    with pytest.raises(DataError, match=r"damaged\.png"):
        explain(model, photos.parent / "damaged.png")
    with pytest.raises(DataError, match=r"gone\.png: there is no such file"):
        explain(model, photos / "gone.png")
    with pytest.raises(ValueError, match="`image` must be one image. Received: .*photos, which is a folder"):
        explain(model, photos)


def test_several_labels_at_once():
    table = np.stack([Y[:200] % 2 == 0, Y[:200] > 4], axis=1).astype(int)
    model = strata.ImageClassifier(value_range=(0, 16), max_iter=4, random_state=0).fit(IMAGES[:200], table)
    seen = explain(model, IMAGES[0], what=["prediction", "evidence", "made"], n_steps=3)
    assert len(seen.predictions) == 2 and "lowers the score" in str(seen)


def test_a_network_of_ones_own(photos):
    own = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), Residual(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 2),
    )  # fmt: skip
    model = strata.ImageClassifier(own, max_iter=1, image_size=24, augment="none", random_state=0).fit(photos)
    seen = explain(model, photos / "blue" / "1.png", n_steps=2)
    assert seen.model == "Sequential" and seen.left_out == {} and len(seen.parts) == 7


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"what": "evidnce"}, ValueError, "Unknown part 'evidnce'. Did you mean 'evidence'"),
        ({"what": []}, ValueError, "`what` must name a part"),
        ({"what": "neighbours"}, ValueError, "`training` must be given for 'neighbours'"),
        ({"layers": ["C9"]}, ValueError, "Unknown layer 'C9'"),
        ({"layers": "C1"}, TypeError, "`layers` must be a list of names. Received: 'C1'"),
        ({"target": "digit 11"}, ValueError, "Unknown class 'digit 11'. Did you mean 'digit 1'"),
        ({"n_steps": 0}, ValueError, "`n_steps` must be at least 1"),
        ({"projection": "umap"}, ValueError, "Unknown projection 'umap'. Available: pca, tsne"),
        ({"training": (IMAGES[:5], NAMES[:4])}, ValueError, "Received: 5 images and 4 labels"),
        ({"training": 3}, TypeError, r"`training` must be images, a folder, or a pair \(X, y\). Received: int"),
    ],
)
def test_wrong_arguments_are_refused(model, settings, kind, message):
    with pytest.raises(kind, match=message):
        explain(model, IMAGES[0], **settings)


def test_wrong_classifiers_and_images_are_refused(model):
    with pytest.raises(TypeError, match=r"`classifier` must be a strata.ImageClassifier. Received: MLPClassifier"):
        explain(strata.MLPClassifier(), IMAGES[0])
    with pytest.raises(ValueError, match="not fitted"):
        explain(strata.ImageClassifier(), IMAGES[0])
    with pytest.raises(ValueError, match=r"`image` must be a path, or an array.*shape \(3, 8, 8, 1\)"):
        explain(model, np.zeros((3, 8, 8, 1)))


def test_titles_are_told_in_turn(model):
    told = []
    explain(model, IMAGES[0], what=["filters", "prediction"], progress=told.append)
    assert told == ["What the network says", "Filters of the first layer"]


def test_the_record_reads_well(explanation):
    text = str(explanation)
    assert text.startswith("an image of 8 × 8 pixels: digit ")
    assert re.search(r"The nearest training images: \d of 8 are digit \d\. Searched: 300 images\.", text)
    assert isinstance(explanation, Explanation) and explanation.parts[0].title == "What the network says"


def test_a_classifier_from_weights(tmp_path):
    network = build("resnet8", n_classes=3, seed=5)
    path = tmp_path / "own.safetensors"
    save_weights(network, path)
    model = pretrained_classifier("resnet8", weights=path, classes=["a", "b", "c"])
    assert model.image_size_ == (32, 32) and model.classes_.tolist() == ["a", "b", "c"]
    image = np.random.RandomState(0).randint(0, 255, (32, 32, 3)).astype(np.uint8)
    x = (torch.tensor(image).permute(2, 0, 1)[None] / 255 - torch.tensor(model.mean_)[:, None, None]) / torch.tensor(
        model.std_
    )[:, None, None]
    expected = network.eval()(x.float()).softmax(1).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(image[None]), expected, atol=1e-5)
    assert explain(model, image, what="evidence").target in "abc"
    with pytest.raises(ValueError, match="`classes` must be as many as the outputs of the weights. Received: 2"):
        pretrained_classifier("resnet8", weights=path, classes=["a", "b"])
    with pytest.raises(ModelRefusedError, match="own.safetensors is refused"):
        pretrained_classifier("resnet18", weights=path)
    with pytest.raises(ValueError, match="Unknown model 'resnet9'"):
        pretrained_classifier("resnet9", weights=path)
    with pytest.raises(ValueError, match="`weights` must be a file for 'lenet5'"):
        pretrained_classifier("lenet5")


@pytest.mark.shared
def test_photographs_are_named_and_the_evidence_lies_on_the_cup(shared_data):
    weights = shared_data / "weights" / "mobilenet_v1_0.25_224_imagenet.npz"
    lines = (shared_data / "weights" / "imagenet_synset_words.txt").read_text().splitlines()
    names = [line.split(" ", 1)[1] for line in lines]
    model = pretrained_classifier("mobilenet_v1", weights=weights, classes=names, options={"width": 0.25})
    seen = explain(model, shared_data / "photos" / "coffee.png", what="evidence")
    assert seen.target == "espresso" and seen.predictions[0][1] > 0.8
    part = seen.to_dict()["parts"]["evidence"]
    x, y = part["strongest"]
    assert 55 <= x <= 175 and 20 <= y <= 130  # in the cup; not on the saucer, the spoon or the table
    assert part["box"][3] <= 150 and part["largest_fall"] > 0.1
    cat = explain(model, shared_data / "photos" / "chelsea.png", what="prediction")
    assert cat.predictions[0][0].startswith("tabby")
