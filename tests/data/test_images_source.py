"""Batches of images: normalised, augmented by (seed, epoch, batch), the same in any process and thread."""

import pickle
import random
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from strata.data import ArraySource, ImageSource, get_augmentation
from strata.engine import Checkpointing, train
from strata.rules import GradientDescent


def images(n=11, h=6, w=5, c=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, c), dtype=np.uint8)


def taken(source, epoch=0):
    return [batch.x for batch in source.epoch(epoch).take(0, 99)]


def equal(ours, theirs):
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


# -- what a batch is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_batch_is_normalised_channel_by_channel(as_tensor):
    x = images()
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    source = ImageSource(
        torch.from_numpy(x) if as_tensor else x, np.arange(11), batch_size=4, mean=mean, std=std, shuffle=False
    )
    batches = list(source.epoch(0).take(0, 99))
    expected = ((x / 255.0 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(torch.cat([b.x for b in batches]).numpy(), expected, rtol=0, atol=2e-6)
    assert [b.y.tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert batches[0].x.dtype == torch.float32
    assert batches[0].x.is_contiguous(memory_format=torch.channels_last)
    assert (source.n_batches, source.n_rows, source.image_shape) == (3, 11, (3, 6, 5))


@pytest.mark.parametrize("kind", [np.float32, np.float64, ">f4", np.float16])
def test_floating_images_are_on_the_scale_0_to_1(kind):
    x = images() / 255.0
    source = ImageSource(x.astype(kind), batch_size=11, mean=0.5, std=0.25, shuffle=False)
    (batch,) = taken(source)
    assert batch.dtype == torch.float32
    np.testing.assert_allclose(batch, (x.transpose(0, 3, 1, 2) - 0.5) / 0.25, atol=5e-3 if kind is np.float16 else 1e-5)


def test_grey_images_without_a_channel_axis():
    x = images(c=1)
    without = taken(ImageSource(x[..., 0], batch_size=4, random_state=0, augment="light"))
    assert without[0].shape == (4, 1, 6, 5)
    assert equal(without, taken(ImageSource(x, batch_size=4, random_state=0, augment="light")))


def test_contiguous_memory_on_request():
    (batch, *_) = taken(ImageSource(images(), batch_size=4, channels_last=False))
    assert batch.is_contiguous()


def test_weights_come_along():
    source = ImageSource(images(), np.arange(11), np.linspace(0, 1, 11), batch_size=4, random_state=0)
    for batch in source.epoch(0).take(0, 9):
        np.testing.assert_allclose(batch.sample_weight, batch.y / 10.0)


def test_the_images_given_are_not_changed():
    x = images()
    before = x.copy()
    for name in ("light", "strong", "mixup", "pca"):
        taken(ImageSource(x, batch_size=4, augment=name))
        taken(ImageSource(torch.from_numpy(x), batch_size=4, augment=name, shuffle=False))
        taken(ImageSource(x / np.float32(255.0), batch_size=4, augment=name, shuffle=False))
    np.testing.assert_array_equal(x, before)


def test_a_floating_source_in_order_does_not_write_into_its_images():
    x = torch.rand(8, 4, 4, 3)
    before = x.clone()
    taken(ImageSource(x, batch_size=4, shuffle=False, augment="strong"))
    assert torch.equal(x, before)


# -- order and repetition ----------------------------------------------------------------------------------


def test_the_order_is_that_of_an_array_source():
    x = images()
    ours = ImageSource(x, np.arange(11), batch_size=4, random_state=3, augment="light")
    theirs = ArraySource(x, np.arange(11), batch_size=4, random_state=3)
    for epoch in (0, 1, 2):
        expected = [b.y.tolist() for b in theirs.epoch(epoch).take(0, 9)]
        assert [b.y.tolist() for b in ours.epoch(epoch).take(0, 9)] == expected
        np.testing.assert_array_equal(ours.epoch(epoch).order, theirs.epoch(epoch).order)
    assert ours.epoch(0).arrays is None


def test_only_the_order_is_drawn_from_the_generator():
    ours, theirs = np.random.RandomState(5), np.random.RandomState(5)
    taken(ImageSource(images(), batch_size=4, random_state=ours, augment="strong"))
    taken_rows = ArraySource(images(), batch_size=4, random_state=theirs)
    list(taken_rows.epoch(0).take(0, 9))
    assert ours.rand() == theirs.rand()


def test_drop_last():
    assert [len(x) for x in taken(ImageSource(images(), batch_size=4, drop_last=True))] == [4, 4]


def noise(x):
    """A transform of someone else, which draws from every global generator."""
    return x + torch.rand_like(x) * random.random() * np.random.rand()


def name_of(spec):
    return getattr(spec, "__name__", None) or str(spec)


SPECS = ["none", "light", "standard", "strong", "digits", "mixup", ["cutmix", "pca"], "affine", noise]


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_any_batch_can_be_had_again(spec, prefetch):
    options = {"batch_size": 4, "random_state": 3, "augment": spec, "n_classes": 11}
    source = ImageSource(images(), np.arange(11), prefetch=prefetch, **options)
    epochs = [taken(source, epoch) for epoch in range(3)]
    fresh = ImageSource(images(), np.arange(11), **options)
    for epoch in (2, 0, 1):
        assert equal(taken(fresh, epoch), epochs[epoch])
        (third,) = (batch.x for batch in fresh.epoch(epoch).take(2, 3))
        assert torch.equal(third, epochs[epoch][2])
    assert not equal(epochs[0], epochs[1])
    if spec != "none":
        still = ImageSource(images(), np.arange(11), **{**options, "shuffle": False})
        assert not equal(taken(still, 0), taken(still, 1))


@pytest.mark.parametrize("spec", ["strong", noise], ids=name_of)
def test_no_global_generator_is_read_or_moved(spec):
    def numbers():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]

    def seed(value):
        torch.manual_seed(value), np.random.seed(value), random.seed(value)

    seed(1)
    expected = numbers()
    seed(1)
    source = ImageSource(images(), batch_size=4, random_state=0, augment=spec, prefetch=True)
    first = taken(source)
    assert numbers() == expected
    seed(2)
    assert equal(taken(source), first)


def test_the_thread_gives_the_same_batches_in_any_pattern_of_calls():
    options = {"batch_size": 2, "random_state": 0, "augment": "strong"}
    plain = taken(ImageSource(images(), prefetch=False, **options))
    batches = ImageSource(images(), prefetch=True, **options).epoch(0)
    one_by_one = [next(batches.take(number, number + 1)).x for number in range(6)]
    assert equal(one_by_one, plain)
    assert torch.equal(next(batches.take(1, 2)).x, plain[1])  # backwards, and on from there
    assert equal([batch.x for batch in batches.take(2, 99)], plain[2:])


def test_the_thread_ends_with_its_source():
    source = ImageSource(images(), batch_size=2, prefetch=True)
    next(source.epoch(0).take(0, 1))
    assert [t for t in threading.enumerate() if t.name.startswith("strata-images")]
    n_threads = torch.get_num_threads()
    del source
    for _ in range(50):
        if not [t for t in threading.enumerate() if t.name.startswith("strata-images")]:
            break
        time.sleep(0.1)
    assert not [t for t in threading.enumerate() if t.name.startswith("strata-images")]
    assert torch.get_num_threads() == n_threads


def test_the_thread_works_alone_and_leaves_the_threads_of_others():
    torch.set_num_threads(3)
    counts = []
    source = ImageSource(images(), batch_size=4, prefetch=True)
    counts.append(source._executor().submit(torch.get_num_threads).result())
    later = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert [*counts, torch.get_num_threads()] == [1, 3, 3]


def test_an_error_in_the_thread_comes_out():
    def broken(x):
        raise RuntimeError("no such film")

    source = ImageSource(images(), batch_size=4, augment=broken, prefetch=True)
    with pytest.raises(RuntimeError, match="no such film"):
        taken(source)
    inside = ImageSource(images(), np.arange(11), batch_size=4, augment="mixup", prefetch=True)
    with pytest.raises(ValueError, match="`n_classes` must be given"):
        taken(inside)


def test_a_source_can_be_pickled():
    source = ImageSource(images(), batch_size=4, random_state=0, augment="light", prefetch=True)
    expected = taken(source)
    assert equal(taken(pickle.loads(pickle.dumps(source))), expected)


# -- with the engine ---------------------------------------------------------------------------------------


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * 4 * 3, 3)
    )


def run(folder, *, spec="strong", prefetch=True, **options):
    source = ImageSource(
        images(24), np.arange(24) % 3, batch_size=5, random_state=0, augment=spec, n_classes=3, prefetch=prefetch
    )
    rule = GradientDescent(network(), "cross_entropy", optimizer="adam")
    train(rule, source, max_epochs=4, checkpoint=Checkpointing(folder, every_epochs=2), **options)
    return {name: value.clone() for name, value in rule.network.state_dict().items()}


@pytest.mark.parametrize("spec", ["strong", "mixup", noise], ids=name_of)
def test_a_run_resumed_at_any_step_ends_with_the_same_bits(tmp_path, spec):
    """Shuffle, dropout, augmentation and the prefetch thread: 20 steps, interrupted after each of some."""
    whole = run(tmp_path / "whole", spec=spec)
    for step in (1, 4, 5, 8, 19):
        folder = tmp_path / str(step)
        run(folder, spec=spec, max_steps=step)
        resumed = run(folder, spec=spec, resume=True, prefetch=False)
        assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_resuming_three_times_within_one_epoch_sees_every_image_once(tmp_path):
    seen = []

    def note(x):
        seen.append(x[:, 0, 0, 0].clone())
        return x

    marked = np.arange(24, dtype=np.uint8)[:, None, None, None] * np.ones((1, 6, 5, 3), np.uint8)
    for steps in (1, 2, 4, 5):
        source = ImageSource(marked, np.arange(24) % 3, batch_size=5, random_state=0, augment=note)
        rule = GradientDescent(network(), "cross_entropy", optimizer="adam")
        train(rule, source, max_epochs=1, checkpoint=Checkpointing(tmp_path), resume=True, max_steps=steps)
    assert sorted((torch.cat(seen) * 255).round().int().tolist()) == list(range(24))


def test_the_state_is_of_these_images_and_settings():
    state = ImageSource(images(), batch_size=4, random_state=0, augment="light").state_dict()
    ImageSource(images(), batch_size=4, random_state=9, augment="light").load_state_dict(state)
    changed = [
        (ImageSource(images(seed=1), batch_size=4, augment="light"), "fingerprint"),
        (ImageSource(images(), batch_size=4, augment="flip"), "augment"),
        (ImageSource(images(), batch_size=4, augment="light", mean=0.5), "mean"),
        (ImageSource(images(), batch_size=5, augment="light"), "batch_size"),
    ]
    for source, name in changed:
        with pytest.raises(ValueError, match=f"interrupted run. Received: {name}="):
            source.load_state_dict(state)


def test_the_seed_of_the_augmentation_is_part_of_the_state():
    first = ImageSource(images(), batch_size=4, random_state=0, augment="light")
    other = ImageSource(images(), batch_size=4, random_state=9, augment="light")
    assert not equal(taken(other), taken(first))
    other.load_state_dict(first.state_dict())
    assert equal(taken(other), taken(first))


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"x": np.zeros((4, 3))},
            ValueError,
            r"images of shape \(N, H, W, C\) or \(N, H, W\). Received: shape \(4, 3\)",
        ),
        ({"x": np.zeros((4, 3, 32, 32))}, ValueError, "Put the channels last"),
        ({"x": np.zeros((4, 5, 5, 0))}, ValueError, "Received: shape"),
        ({"x": np.zeros((0, 5, 5, 1), np.uint8)}, ValueError, "at least one row"),
        ({"x": np.zeros((4, 5, 5), np.int64)}, TypeError, "uint8 in 0..255 or floating in 0..1. Received: dtype int64"),
        ({"x": [[1]]}, TypeError, "`x` must be"),
        ({"mean": [0.1, 0.2]}, ValueError, "`mean` must be a number or 3 numbers, one a channel. Received: mean="),
        ({"std": 0.0}, ValueError, "`std` must be above 0"),
        ({"std": float("nan")}, ValueError, "`std` must be a number or 3 numbers"),
        ({"mean": "grey"}, ValueError, "`mean` must be"),
        ({"augment": "flop"}, ValueError, "Unknown augmentation 'flop'. Did you mean 'flip'"),
        ({"y": np.zeros(3)}, ValueError, "`y` must have as many rows as `x`"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be 1 or more"),
    ],
)
def test_wrong_arguments(options, error, said):
    arguments = {"x": images(), "batch_size": 4, **options}
    with pytest.raises(error, match=said):
        ImageSource(arguments.pop("x"), arguments.pop("y", None), **arguments)


def test_an_augmentation_object_is_taken_as_it_is():
    augmentation = get_augmentation("light")
    assert ImageSource(images(), batch_size=4, augment=augmentation).augmentation is augmentation
