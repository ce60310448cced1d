"""Classic methods on pictures: what they reach, on how much, and what is said when one cannot be had."""

import sys

import numpy as np
import pytest

from strata.report import image_baselines
from strata.report.gallery import read_gallery
from strata.report.image_baselines import fit_image_baselines, hog_features


@pytest.fixture(scope="module")
def halves(shapes):
    gallery = read_gallery(shapes)
    rows = np.random.RandomState(0).permutation(60)
    return gallery.take(np.sort(rows[:42])), gallery.take(np.sort(rows[42:]))


def test_hog_does_not_see_gain_and_offset_but_direction():
    random = np.random.RandomState(0)
    picture = np.kron(random.randint(20, 110, (1, 8, 8, 3)), np.ones((1, 4, 4, 1)))
    brighter = picture * 2 + 30
    both = hog_features(np.concatenate([picture, brighter]).astype(np.uint8))
    assert both.shape == (2, 324) and np.abs(both[0] - both[1]).max() < 1e-3
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[::8] = stripes[1::8] = stripes[2::8] = stripes[3::8] = 200
    turned = stripes.transpose(1, 0, 2)
    upright, lying = (hog_features(each[None])[0].reshape(-1, 9).sum(axis=0) for each in (stripes, turned))
    assert upright.argmax() != lying.argmax()


def test_classic_methods_tell_shapes_apart(halves):
    found = fit_image_baselines(*halves)
    assert [each.name for each in found] == ["majority class", "HOG + linear SVM", "5 nearest neighbours by pixels"]
    assert found[1].evaluation.score > 0.7 > 0.5 > found[0].evaluation.score
    assert all(each.n_train == 42 and each.note == "" for each in found)
    assert found[0].evaluation.metrics["log_loss"] > 0 and "log_loss" not in found[1].evaluation.metrics


def test_neighbours_are_those_of_a_loop(halves):
    train, test = halves
    known, asked = (each.thumbnails.reshape(len(each), -1).astype(float) for each in (train, test))
    said = []
    for row in asked:
        near = np.argsort([((row - other) ** 2).sum() for other in known], kind="stable")[:5]
        votes = [(train.labels[near] == label).sum() for label in train.classes]
        said.append(train.classes[int(np.argmax(votes))])
    assert fit_image_baselines(train, test)[2].evaluation.predictions.tolist() == said


def test_a_part_of_many_pictures_is_said(halves, monkeypatch):
    monkeypatch.setattr(image_baselines, "_some", lambda labels, n_rows, seed: np.arange(0, len(labels), 2))
    assert fit_image_baselines(*halves)[1].note == "fitted on 21 of 42 pictures"


def test_the_draw_keeps_every_class():
    labels = np.array(["a"] * 99 + ["b"])
    rows = image_baselines._some(labels, 10, 0)
    assert 10 <= len(rows) <= 12 and 99 in rows and (np.diff(rows) > 0).all()


def test_without_scikit_image_the_others_stay(halves, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.warns(RuntimeWarning, match=r"scikit-image.*pip install 'strata\[vision\]'"):
        found = fit_image_baselines(*halves)
    assert [each.name for each in found] == ["majority class", "5 nearest neighbours by pixels"]
