"""Patches of images: from the right places, the same for the same epoch, with the noise that is asked for."""

import numpy as np
import pytest

from strata.data.patches import PatchSource, unit_floats

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 20, 16, 3)).astype(np.uint8)


def batches(source, epoch=0):
    return list(source.epoch(epoch).take(0, source.n_batches))


def contains(image, patch):
    h, w = patch.shape[:2]
    places = ((top, left) for top in range(image.shape[0] - h + 1) for left in range(image.shape[1] - w + 1))
    return any(np.array_equal(image[top : top + h, left : left + w], patch) for top, left in places)


def test_every_patch_lies_in_its_image_or_in_its_mirror_image():
    source = PatchSource(IMAGES, patch_size=7, batch_size=4, n_patches=12, seed=1)
    patches = np.concatenate([batch.y.numpy() for batch in batches(source)]).transpose(0, 2, 3, 1)
    patches = np.rint(patches * 255).astype(np.uint8)
    assert patches.shape == (12, 7, 7, 3)
    order = np.tile(np.random.default_rng([1, 0]).permutation(6), 2)
    straight = [contains(IMAGES[row], patch) for row, patch in zip(order, patches, strict=True)]
    mirrored = [contains(IMAGES[row][:, ::-1], patch) for row, patch in zip(order, patches, strict=True)]
    assert all(a or b for a, b in zip(straight, mirrored, strict=True)) and 0 < sum(mirrored) < 12


def test_pairs_are_cut_at_the_same_places():
    source = PatchSource(IMAGES, 255 - IMAGES, patch_size=8, batch_size=4, n_patches=8)
    for batch in batches(source):
        np.testing.assert_allclose(batch.x + batch.y, 1.0, atol=1e-6)


def test_noise_has_its_level_and_is_clipped():
    grey = np.full((4, 64, 64, 1), 0.5, np.float32)
    source = PatchSource(grey, patch_size=64, batch_size=4, n_patches=4, noise_level=(0.1, 0.1))
    error = (batches(source)[0].x - batches(source)[0].y).numpy()
    assert error.std() == pytest.approx(0.1, rel=0.03)
    spread = PatchSource(grey, patch_size=64, batch_size=64, n_patches=64, noise_level=(0.0, 0.2))
    levels = (batches(spread)[0].x - 0.5).flatten(1).std(dim=1)
    assert levels.min() < 0.05 and levels.max() > 0.15
    loud = batches(PatchSource(grey, patch_size=64, batch_size=4, n_patches=4, noise_level=(2.0, 2.0)))[0].x
    assert loud.min() == 0 and loud.max() == 1


def test_an_epoch_repeats_and_another_differs():
    def make():
        return PatchSource(list(IMAGES), patch_size=6, batch_size=5, n_patches=13, noise_level=(0.1, 0.2), seed=4)

    one, other = make(), make()
    assert one.n_batches == 3
    assert all(np.array_equal(a.x, b.x) for a, b in zip(batches(one, 2), batches(other, 2), strict=True))
    assert not np.array_equal(batches(one, 2)[0].x, batches(one, 3)[0].x)
    later = list(one.epoch(2).take(1, 2))[0]
    assert np.array_equal(later.x, batches(other, 2)[1].x)
    seeded = PatchSource(IMAGES, patch_size=6, batch_size=5, n_patches=13, noise_level=(0.1, 0.2), seed=9)
    seeded.load_state_dict(one.state_dict())
    assert np.array_equal(batches(seeded)[0].x, batches(one)[0].x)
    with pytest.raises(ValueError, match="`source` must give the batches of the interrupted run. Received: patch=7"):
        PatchSource(IMAGES, patch_size=7, batch_size=5, n_patches=13).load_state_dict(one.state_dict())


def test_bytes_become_floats_from_0_to_1():
    assert unit_floats(np.array([0, 51, 255], np.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    assert unit_floats(np.array([0.25])).dtype == np.float32
