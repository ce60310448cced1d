"""Batches of images: normalised, augmented by (seed, epoch, batch), the same in any process and thread."""

import numpy as np
import torch

from strata.data import ArraySource, ImageSource


def images(n=11, h=6, w=5, c=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, c), dtype=np.uint8)


def taken(source, epoch=0):
    return [batch.x for batch in source.epoch(epoch).take(0, 99)]


def test_a_batch_is_normalised_channel_by_channel():
    x = images()
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    source = ImageSource(x, np.arange(11), batch_size=4, mean=mean, std=std, shuffle=False)
    batches = list(source.epoch(0).take(0, 99))
    expected = ((x / 255.0 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(torch.cat([b.x for b in batches]).numpy(), expected, rtol=0, atol=2e-6)
    assert [b.y.tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert batches[0].x.dtype == torch.float32
    assert batches[0].x.is_contiguous(memory_format=torch.channels_last)


def test_the_order_is_that_of_an_array_source():
    x = images()
    ours = ImageSource(x, np.arange(11), batch_size=4, random_state=3, augment="light")
    theirs = ArraySource(x, np.arange(11), batch_size=4, random_state=3)
    for epoch in (0, 1, 2):
        expected = [b.y.tolist() for b in theirs.epoch(epoch).take(0, 9)]
        assert [b.y.tolist() for b in ours.epoch(epoch).take(0, 9)] == expected
