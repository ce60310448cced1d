"""ImageClassifier on files: folders, tables of labels, lists of paths, and files that cannot be read."""

import csv
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from strata import ImageClassifier
from strata.data import find_images, load_images
from strata.errors import DataError

COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 60), "red": (220, 30, 50)}


def picture(colour, seed, size=(24, 30)):
    noise = np.random.RandomState(seed).randint(-25, 25, (*size, 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Class folders with eight pictures each, of two sizes and formats."""
    root = tmp_path_factory.mktemp("photos")
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(8):
            ending = "png" if number % 2 else "jpg"
            picture(colour, number, (24, 30 + 4 * (number % 2))).save(root / name / f"{number}.{ending}")
    return root


class Tiny(nn.Module):
    """Tells colours apart after a few steps."""

    def __init__(self, n_classes=3, n_channels=3):
        super().__init__()
        self.conv = nn.Conv2d(n_channels, 6, 3, stride=2, padding=1)
        self.last = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.last(torch.relu(self.conv(x)).mean(dim=(2, 3)))


def quick(**options):
    torch.manual_seed(0)
    defaults = {"model": Tiny(), "image_size": 16, "max_iter": 12, "learning_rate_init": 0.05, "batch_size": 8}
    return ImageClassifier(**{**defaults, "random_state": 0, "augment": "none", **options})


def test_a_folder_of_class_folders(photos):
    model = quick().fit(photos)
    assert model.classes_.tolist() == ["blue", "green", "red"]
    assert model.input_shape_ is None
    assert model.problems_ == ()
    assert model.score(photos) == 1.0
    found = find_images(photos)
    assert (model.predict(photos) == found.labels).all()
    assert (model.predict(str(photos)) == model.predict(list(found.paths))).all()
    assert (model.predict(found) == found.labels).all()


def test_paths_with_labels_in_every_container(photos):
    found = find_images(photos)
    paths = [str(path) for path in found.paths]
    wanted = quick().fit(photos).predict_proba(paths)
    for X in (list(found.paths), paths, np.array(paths), pd.Series(paths), tuple(paths)):
        model = quick().fit(X, found.labels)
        np.testing.assert_array_equal(model.predict_proba(X), wanted)


def test_sizes(photos, tmp_path):
    auto = {"model": "auto", "max_iter": 1}
    assert quick(image_size=None, **auto).fit(photos).image_size_ == (24, 24), "never enlarged"
    assert quick(image_size=None, max_iter=1, model="lenet5").fit(photos).image_size_ == (24, 24)
    assert quick(image_size=(16, 20), **auto).fit(photos).image_size_ == (16, 20)
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        for number in range(2):
            picture(colour, number, (20, 26)).save(tmp_path / name / f"{number}.png")
    assert quick(image_size=None, **auto).fit(tmp_path).image_size_ == (20, 26), "thumbnails of one size keep it"


def test_grey_networks_see_grey_levels(photos):
    model = quick(model="lenet5", max_iter=1).fit(photos)
    assert model.in_channels_ == 1
    assert model.prepare(photos).shape == (24, 1, 16, 16)
    assert quick(model="lenet5", channels=3, max_iter=1).fit(photos).in_channels_ == 3


def test_files_and_arrays_are_understood_by_either(photos):
    model = quick().fit(photos)
    image = np.asarray(Image.open(photos / "red" / "1.png").crop((5, 0, 29, 24)))
    assert model.predict(image[None]).tolist() == ["red"]
    assert len(model.predict(np.full((2, 50, 40), 128, dtype=np.uint8))) == 2, "grey levels, of any size"
    arrays = np.stack([np.asarray(Image.open(path).resize((20, 20))) for path in find_images(photos).paths])
    learned = quick(max_iter=20).fit(arrays, find_images(photos).labels)
    assert learned.score(photos) > 0.9


@pytest.fixture
def broken(photos, tmp_path):
    """The same folder with four files that cannot be read."""
    root = tmp_path / "broken"
    for name in COLOURS:
        (root / name).mkdir(parents=True)
        for path in (photos / name).iterdir():
            (root / name / path.name).write_bytes(path.read_bytes())
    whole = (root / "red" / "1.png").read_bytes()
    (root / "red" / "1.png").write_bytes(whole[: len(whole) // 2])
    (root / "blue" / "0.jpg").write_bytes(b"")
    (root / "blue" / "9.png").write_text("<svg></svg>")
    (root / "green" / "2.jpg").write_bytes(b"no image at all")
    return root


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "validation_fraction": 0.25}])
def test_all_files_that_cannot_be_read_are_named_before_training(broken, options):
    with pytest.raises(DataError) as caught:
        quick(**options).fit(broken)
    for name in ("red/1.png", "blue/0.jpg", "blue/9.png", "green/2.jpg"):
        assert str(broken / name) in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "validation_fraction": 0.25}])
def test_they_can_be_skipped(broken, options):
    model = quick(on_problem="skip", **options).fit(broken, sample_weight=np.arange(1.0, 26.0))
    assert sorted(problem.path.name for problem in model.problems_) == ["0.jpg", "1.png", "2.jpg", "9.png"]
    assert model.classes_.tolist() == ["blue", "green", "red"]
    good = [path for path in find_images(broken).paths if path not in {problem.path for problem in model.problems_}]
    labels = [path.parent.name for path in good]
    assert model.score(good, labels) > 0.9


def test_skipping_keeps_rows_together(broken):
    """Without the broken files the same result, weights and all."""
    found = find_images(broken)
    weight = np.random.RandomState(0).uniform(0.5, 2, len(found))
    skipped = quick(on_problem="skip", max_iter=2).fit(broken, sample_weight=weight)
    bad = {problem.path for problem in skipped.problems_}
    kept = np.array([path not in bad for path in found.paths])
    paths = [path for path in found.paths if path not in bad]
    plain = quick(max_iter=2).fit(paths, found.labels[kept], weight[kept])
    np.testing.assert_array_equal(plain.predict_proba(paths), skipped.predict_proba(paths))


def test_nothing_is_left_of_one_part(broken, photos):
    bad = [broken / "red" / "1.png", broken / "blue" / "9.png"]
    good, labels = list(find_images(photos).paths), find_images(photos).labels
    with pytest.raises(DataError, match="None of the training images can be read"):
        quick(on_problem="skip").fit(bad, ["blue", "red"], X_val=good[:4], y_val=["blue"] * 4)
    with pytest.raises(DataError, match="None of the held-out images can be read"):
        quick(on_problem="skip").fit(good, labels, X_val=bad, y_val=["blue", "red"])


def test_predictions_are_never_of_fewer_images(broken, photos):
    model = quick(on_problem="skip", max_iter=1).fit(photos)
    with pytest.raises(DataError, match=r"red/1\.png"):
        model.predict(broken)
    with pytest.raises(DataError, match=r"red/1\.png"):
        model.score(broken)


def table(root, rows, header=("file", "label")):
    with open(root / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_a_table_of_labels(tmp_path):
    rows = []
    for number, name in enumerate(sorted(COLOURS) * 4):
        picture(COLOURS[name], number).save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", name))
    table(tmp_path, rows)
    model = quick().fit(tmp_path)
    assert model.classes_.tolist() == ["blue", "green", "red"]
    assert model.score(tmp_path) == 1.0


def test_several_labels_an_image(tmp_path):
    rows = []
    for number in range(24):
        warm, bright = number % 2, number // 2 % 2
        colour = np.array((160, 40, 30) if warm else (30, 40, 160)) + 80 * bright
        picture(colour, number).save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", "|".join(["warm"] * warm + ["bright"] * bright)))
    table(tmp_path, rows)
    model = quick(model=Tiny(2), max_iter=40).fit(tmp_path)
    assert model.multi_label_
    assert model.classes_.tolist() == ["bright", "warm"]
    probs = model.predict_proba(tmp_path)
    assert probs.shape == (24, 2)
    assert (model.predict(tmp_path) == (probs > 0.5)).all()
    assert model.score(tmp_path) > 0.9


def test_what_is_no_folder_for_training(tmp_path, photos):
    with pytest.raises(DataError, match="there is no such folder or file"):
        quick().fit(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no images"):
        quick().fit(tmp_path)
    picture((1, 2, 3), 0).save(tmp_path / "one.png")
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        quick().fit(tmp_path)
    with pytest.raises(ValueError, match="`y` must be None for a folder"):
        quick().fit(photos, ["a"] * 24)
    with pytest.raises(TypeError, match="paths only, or numbers only. Received: int"):
        quick().fit([str(tmp_path / "one.png"), 3], ["a", "b"])
    with pytest.raises(TypeError, match="paths only, or numbers only. Received: NoneType"):
        quick().fit([str(tmp_path / "one.png"), None], ["a", "b"])
    with pytest.raises(ValueError, match="12 labels"):
        quick().fit(list(find_images(photos).paths), ["a", "b"] * 6)


def test_a_flat_folder_is_predicted(photos, tmp_path):
    model = quick().fit(photos)
    for number, name in enumerate(COLOURS):
        picture(COLOURS[name], 50 + number).save(tmp_path / f"{number}.png")
    assert model.predict(tmp_path).tolist() == ["blue", "green", "red"]


def test_a_memory_limit_moves_the_images_to_disk(photos, tmp_path):
    free = quick(max_iter=2).fit(photos)
    bounded = quick(max_iter=2, memory_limit=5000, cache_folder=tmp_path).fit(photos)
    np.testing.assert_array_equal(free.predict_proba(photos), bounded.predict_proba(photos))


def test_images_that_fit_nowhere_stay_in_their_files(photos, tmp_path, monkeypatch):
    wanted = quick(max_iter=2, early_stopping=True, validation_fraction=0.25).fit(photos)
    bounded = partial(load_images, memory_limit=1, disk_limit=1, cache_folder=tmp_path)
    monkeypatch.setattr("strata.estimators._image_pixels.load_images", bounded)
    model = quick(max_iter=2, early_stopping=True, validation_fraction=0.25).fit(photos)
    np.testing.assert_array_equal(model.predict_proba(photos), wanted.predict_proba(photos))
    assert model.validation_scores_ == wanted.validation_scores_
    assert list(tmp_path.glob("**/*.npy")) == []


def test_transparency_and_colour_modes(photos, tmp_path):
    """Odd files are converted, not refused, and give the same answer as plain ones."""
    model = quick().fit(photos)
    plain = picture(COLOURS["red"], 77)
    odd = {"cmyk.jpg": plain.convert("CMYK"), "palette.png": plain.quantize(64), "rgba.png": plain.convert("RGBA")}
    for name, image in odd.items():
        image.save(tmp_path / name)
    assert set(model.predict([tmp_path / name for name in odd])) == {"red"}
