"""Copies of pictures across the split are found whatever was done to the copy, and strangers are not taken for them."""

import io

import numpy as np
import pytest
from PIL import Image

from strata.report.gallery import read_gallery
from strata.report.image_audit import audit_pictures, near_copies

SIDE = 32


def photographs(n, seed=0):
    """Smooth pictures that look like nothing in particular, but each like itself."""
    random = np.random.RandomState(seed)
    coarse = (random.randint(20, 236, (n, 6, 6, 1)) + random.randint(-20, 20, (n, 6, 6, 3))).astype(np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for each in coarse]
    )


def encoded_again(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def smaller(picture):
    return np.asarray(Image.fromarray(picture).resize((20, 20)).resize((SIDE, SIDE)))


def lighter(picture):
    return np.clip(picture.astype(int) + 12, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [encoded_again, smaller, lighter, lambda picture: picture])
def test_a_changed_copy_is_found(change):
    known = photographs(40)
    pairs, n = near_copies(np.stack([change(known[7]), change(known[31])]), known)
    assert pairs == [(0, 7), (1, 31)] and n == 2


def test_strangers_and_flat_pictures_are_no_copies():
    assert near_copies(photographs(40, seed=1), photographs(40, seed=2))[0] == []
    flat = np.full((3, SIDE, SIDE, 3), 200, np.uint8)
    assert near_copies(flat, flat)[0] == []


def test_the_nearest_by_brute_force_is_the_one_that_is_named():
    known, asked = photographs(30, seed=3), photographs(30, seed=3)[::-1]
    assert near_copies(asked, known)[0] == [(i, 29 - i) for i in range(30)]


def gallery_of(pictures, labels):
    return read_gallery((np.asarray(pictures), np.asarray(labels)))


def codes(report):
    return [finding.code for finding in report.findings]


def test_leakage_counts_exact_and_near_copies():
    x = photographs(24)
    x[22], x[23] = x[0], encoded_again(x[1])
    both = gallery_of(x, ["a", "b"] * 12)
    train, test = both.take(np.arange(20)), both.take(np.arange(20, 24))
    report = audit_pictures(both, train, test)
    leak = next(finding for finding in report.findings if finding.code == "leakage")
    assert leak.level == "warning" and leak.count == 2 and leak.rows == (2, 3)
    assert "of 4 pictures to test on, 2 (50 %) are copies" in leak.message and "1 exact" in leak.message
    assert "22 and 0" in leak.message
    assert "leakage" not in codes(audit_pictures(both, train, both.take(np.array([20, 21]))))
    assert "leakage" not in codes(audit_pictures(both, both, None))


def test_copies_with_two_labels_contradict_each_other():
    x = photographs(24)
    x[1], x[3] = x[0], x[2]
    report = audit_pictures(gallery := gallery_of(x, ["a", "b", "a", "a", *["a", "b"] * 10]), gallery, None)
    found = {finding.code: finding for finding in report.findings}
    assert found["contradictions"].count == 2 and "0, 1" in found["contradictions"].message
    assert found["duplicates"].count == 2 and found["duplicates"].level == "note"


def test_few_and_many_of_a_class():
    x = photographs(60)
    report = audit_pictures(gallery := gallery_of(x, ["a"] * 56 + ["b"] * 4), gallery, None)
    assert codes(report) == ["rare_class", "imbalance"]
    assert "b (4)" in report.findings[0].message and "56 pictures" in report.findings[1].message
    assert codes(audit_pictures(even := gallery_of(x, ["a", "b"] * 30), even, None)) == []
