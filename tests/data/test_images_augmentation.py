"""Augmentation: each step against the definition it claims, seeds, foreign transforms, targets of mixed images."""

import math

import kornia.augmentation as kornia
import kornia.geometry.transform as transform
import numpy as np
import pytest
import torch
from torch import nn

from strata.data import Batch, get_augmentation, list_augmentations, ten_crop
from strata.data._augment_geometry import _mirrored, _windows
from strata.data._augment_steps import Step

N, H, W = 12, 10, 14


def batch(n=N, c=3, h=H, w=W, seed=0):
    return torch.rand(n, c, h, w, generator=torch.Generator().manual_seed(seed))


def augmented(spec, x=None, y=None, *, seed=1, **options):
    return get_augmentation(spec, **options).apply(batch() if x is None else x, y, seed=seed)


# -- every name --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", list_augmentations())
def test_every_name_keeps_the_shape_and_repeats(name, channels):
    x, y = batch(c=channels), torch.arange(N) % 4
    before = x.clone()
    first, targets = augmented(name, x, y, n_classes=4)
    again, _ = augmented(name, x, y, n_classes=4)
    other, _ = augmented(name, x, y, seed=2, n_classes=4)
    assert first.shape == x.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name == "none")
    assert torch.equal(x, before)
    assert torch.isfinite(first).all()
    if name not in ("mixup", "cutmix"):
        assert targets is y
        assert not get_augmentation(name).mixes


@pytest.mark.parametrize("name", list_augmentations())
def test_images_come_out_alike_whatever_their_memory_looks_like(name):
    x = batch()
    y = torch.arange(N) % 4
    plain, _ = augmented(name, x, y, n_classes=4)
    last, _ = augmented(name, x.contiguous(memory_format=torch.channels_last), y, n_classes=4)
    torch.testing.assert_close(last, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in list_augmentations() if name not in ("mixup", "cutmix")])
def test_an_image_is_changed_by_itself(name):
    """The other images of the batch do not matter, only the place in it."""
    x = batch()
    other = torch.cat([x[:1], batch(seed=5)[1:]])
    torch.testing.assert_close(augmented(name, x)[0][0], augmented(name, other)[0][0], rtol=0, atol=1e-6)


# -- moving pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 3), ("vertical", 2)])
def test_a_double_mirror_is_the_identity(direction, axis):
    always = {"flip": {"probability": 1.0, "direction": direction}}
    once, _ = augmented(always)
    assert torch.equal(once, batch().flip(axis))
    assert torch.equal(augmented(always, once)[0], batch())


def test_half_of_the_images_are_mirrored():
    x = batch(n=2000, h=2, w=3)
    out, _ = augmented("flip", x)
    mirrored = (out == x.flip(3)).all(dim=(1, 2, 3))
    assert (mirrored | (out == x).all(dim=(1, 2, 3))).all()
    assert abs(mirrored.float().mean() - 0.5) < 0.05


def test_crop_moves_each_image_and_fills_with_black():
    """The pixel with the number k finds itself moved by (dy, dx), the same for the whole image, in -2..2."""
    x = torch.arange(1.0, H * W + 1).reshape(1, 1, H, W).repeat(500, 1, 1, 1)
    out, _ = augmented({"crop": {"padding": 2}}, x)
    seen = set()
    for image in out[:, 0]:
        row, column = divmod(int(image[5, 5]) - 1, W)
        dy, dx = row - 5, column - 5
        seen.add((dy, dx))
        expected = torch.zeros(H, W)
        for i in range(H):
            for j in range(W):
                if 0 <= i + dy < H and 0 <= j + dx < W:
                    expected[i, j] = (i + dy) * W + j + dx + 1
        assert torch.equal(image, expected)
    assert seen == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_crop_pads_by_an_eighth():
    x = torch.ones(200, 1, 32, 40)
    out, _ = augmented("crop", x)
    black_rows = (out == 0).all(dim=3).sum(dim=2)
    assert black_rows.max() == 4


def test_pixels_are_moved_on_bytes_as_on_numbers():
    numbers = torch.randint(0, 256, (N, 3, H, W), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for name in ("crop", "flip", {"flip": {"direction": "vertical"}}):
        augmentation = get_augmentation(name)
        moved = augmentation.transform(Batch(numbers), 3).x
        assert moved.dtype == torch.uint8
        assert torch.equal(moved.float(), augmentation.apply(numbers.float(), seed=3)[0])
        assert all(step.moves_pixels for step in augmentation.steps)


def test_the_ways_of_an_accelerator_give_the_same_images():
    """The gathering by index, which other devices use, against the windows of the host."""
    x = batch()
    top, left = np.random.default_rng(1).integers(0, 5, size=(2, N))
    assert torch.equal(_windows(x, 2, top, left), augmented({"crop": {"padding": 2}}, x)[0])
    chosen = np.flatnonzero(np.random.default_rng(1).random(N) < 0.5)
    assert torch.equal(_mirrored(x, chosen, -1), augmented("flip", x)[0])


def test_a_window_of_the_whole_image_is_the_image():
    out, _ = augmented({"resized_crop": {"area": (1.0, 1.0), "ratio": (1.0, 1.0)}}, batch(h=10, w=10))
    torch.testing.assert_close(out, batch(h=10, w=10), rtol=0, atol=1e-5)


def test_a_window_keeps_straight_lines_straight():
    """On a ramp the result is a ramp, whose slope says the size of the window, within the range asked for."""
    x = torch.linspace(0, 1, 40).expand(300, 1, 40, 40)
    out, _ = augmented({"resized_crop": {"area": (0.25, 1.0), "ratio": (1.0, 1.0)}}, x)
    inner = out[:, 0, 20, 5:-5]
    slopes = inner.diff(dim=1)
    assert (slopes - slopes.mean(dim=1, keepdim=True)).abs().max() < 1e-4
    share = slopes.mean(dim=1) / (x[0, 0, 0, 1] - x[0, 0, 0, 0])
    assert 0.49 < share.min() < 0.56
    assert 0.95 < share.max() < 1.01
    areas = (share**2).numpy()  # uniform in 0.25 .. 1
    assert abs(areas.mean() - 0.625) < 0.05


def test_images_are_turned_by_the_angles_drawn():
    """A spot to the right of the centre goes up (anticlockwise) by a positive angle; seen by its centre of mass."""
    down, across = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    spot = torch.exp(-((across - 12) ** 2 + down**2) / 4).expand(200, 1, 41, 41)
    out, _ = augmented("rotate", spot)
    mass = out.sum(dim=(1, 2, 3))
    x, y = (out[:, 0] * across).sum(dim=(1, 2)) / mass, -(out[:, 0] * down).sum(dim=(1, 2)) / mass
    angles = torch.rad2deg(torch.atan2(y, x)).numpy()
    np.testing.assert_allclose(angles, np.random.default_rng(1).uniform(-15, 15, size=200), atol=0.1)


@pytest.mark.parametrize("fill", ["zeros", "border", "reflection"])
def test_images_are_turned_as_kornia_turns_them(fill):
    angles = torch.from_numpy(np.random.default_rng(1).uniform(-40, 40, size=N)).float()
    expected = transform.rotate(batch(), angles, padding_mode=fill, align_corners=False)
    if fill == "zeros":  # kornia puts the corner pixels, and not their edges, at the ends of the scale by default
        np.testing.assert_allclose(transform.rotate(batch(), angles), expected, atol=1e-4)
    torch.testing.assert_close(augmented({"rotate": {"degrees": 40, "fill": fill}})[0], expected, rtol=0, atol=1e-4)


def test_no_turn_is_the_identity():
    torch.testing.assert_close(augmented({"rotate": {"degrees": 0}})[0], batch(), rtol=0, atol=1e-5)


def test_elastic_moves_by_what_it_says():
    """Seen on two ramps: away from the border their values are the coordinates that were sampled."""
    side, share = 64, 0.049
    ramp = torch.arange(side).float()
    x = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)]).repeat(60, 1, 1, 1)
    out, _ = augmented({"elastic": {"displacement": share}}, x)
    moved = (out - x)[:, :, 24:40, 24:40]
    assert abs(moved.square().mean().sqrt() / (share * side) - 1) < 0.1
    assert abs(moved.mean()) < 0.3
    step = (moved[:, :, 1:] - moved[:, :, :-1]).square().mean().sqrt()
    sigma = side / 7  # of a smooth field the slope is its size over sqrt(2) sigma
    assert abs(step / (share * side / (math.sqrt(2) * sigma)) - 1) < 0.15


# -- colours -----------------------------------------------------------------------------------------------


def test_single_changes_of_colour_are_those_of_torchvision():
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    x = 0.3 + 0.2 * batch()  # nothing is clipped
    for name, oracle in (
        ("brightness", functional.adjust_brightness),
        ("contrast", functional.adjust_contrast),
        ("saturation", functional.adjust_saturation),
    ):
        options = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, name: 0.3}
        out, _ = augmented({"color": options}, x)
        draws = np.random.default_rng(1).uniform(-1.0, 1.0, size=(3, N))
        factors = 1.0 + 0.3 * draws[["brightness", "contrast", "saturation"].index(name)]
        expected = torch.stack([oracle(image, float(factor)) for image, factor in zip(x, factors, strict=True)])
        torch.testing.assert_close(out, expected, rtol=0, atol=2e-4)  # torchvision's 0.2989 and ours 0.299


def test_all_changes_of_colour_are_one_after_another():
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    x = 0.45 + 0.1 * batch()
    out, _ = augmented({"color": {"brightness": 0.3, "contrast": 0.4, "saturation": 0.5}}, x)
    draws = np.random.default_rng(1).uniform(-1.0, 1.0, size=(3, N)) * [[0.3], [0.4], [0.5]] + 1
    for image, result, (b, c, s) in zip(x, out, draws.T, strict=True):
        bright = functional.adjust_brightness(image, float(b))
        expected = functional.adjust_saturation(functional.adjust_contrast(bright, float(c)), float(s))
        torch.testing.assert_close(result, expected, rtol=0, atol=2e-4)


def test_hue_turns_colours_and_leaves_greys():
    grey = torch.rand(N, 1, H, W).expand(N, 3, H, W)
    only = {"color": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0.5}}
    torch.testing.assert_close(augmented(only, grey)[0], grey.clamp(0, 1), rtol=0, atol=1e-5)
    x = 0.5 + 0.1 * (batch() - 0.5)
    out, _ = augmented(only, x)
    luma = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(
        torch.einsum("nchw,c->nhw", out, luma), torch.einsum("nchw,c->nhw", x, luma), rtol=0, atol=1e-5
    )
    assert (out - x).abs().max() > 0.02


def test_colours_stay_in_the_range():
    out, _ = augmented({"color": {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5}})
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("name", ["color", "pca"])
def test_greys_stay_ordered(name):
    """A grey that was lighter than another is not darker afterwards."""
    levels = torch.linspace(0.2, 0.8, H * W)
    x = levels.reshape(1, 1, H, W).expand(N, 3, H, W)
    out, _ = augmented(name, x)
    assert (out.reshape(N, 3, -1).diff(dim=2) >= -1e-6).all()


def test_the_principal_components_of_colour():
    """Krizhevsky's formula, in a loop, with the numbers of the canon."""
    values = [0.2175, 0.0188, 0.0045]
    vectors = [[-0.5675, -0.5808, -0.5836], [0.7192, -0.0045, -0.6948], [0.4009, -0.8140, 0.4203]]
    out, _ = augmented("pca")
    draws = np.random.default_rng(1).normal(0.0, 0.1, size=(N, 3))
    for image, result, alphas in zip(batch(), out, draws, strict=True):
        shift = np.zeros(3)
        for alpha, value, vector in zip(alphas, values, vectors, strict=True):
            shift += alpha * value * np.array(vector)
        np.testing.assert_allclose(result.numpy(), image.numpy() + shift[:, None, None], atol=1e-6)


def test_the_mean_of_a_thousand_colour_shifts_is_zero():
    shifts = (augmented("pca", torch.zeros(1000, 3, 1, 1))[0]).reshape(1000, 3).numpy()
    deviation = shifts.std(axis=0) / math.sqrt(1000)
    assert (np.abs(shifts.mean(axis=0)) < 4 * deviation).all()
    eigenvalues = np.linalg.eigvalsh(np.cov(shifts.T))[::-1]
    np.testing.assert_allclose(np.sqrt(eigenvalues), 0.1 * np.array([0.2175, 0.0188, 0.0045]), rtol=0.1)


def test_erasing_covers_a_rectangle():
    x = torch.ones(400, 3, 40, 40)
    out, _ = augmented({"erase": {"area": (0.1, 0.2), "ratio": (0.5, 2.0), "fill": 0.25}}, x)
    covered = (out != 1).all(dim=1)
    assert abs(covered.any(dim=(1, 2)).float().mean() - 0.5) < 0.08
    for image, mask in zip(out, covered, strict=True):
        if mask.any():
            rows, columns = mask.any(dim=1), mask.any(dim=0)
            assert (image[:, mask] == 0.25).all()
            assert mask.sum() == rows.sum() * columns.sum()
            assert 0.08 < mask.float().mean() < 0.22
            assert 0.45 < columns.sum() / rows.sum() < 2.2


# -- mixing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_targets_sum_to_one_and_say_what_is_seen(name):
    """Image k is all k, so its mean after mixing is the mean of k under its target."""
    y = torch.arange(8).repeat(25)
    x = y.float()[:, None, None, None].expand(200, 3, 16, 16)
    out, targets = augmented({name: {"alpha": 1.0}}, x, y, n_classes=8)
    assert targets.shape == (200, 8)
    assert targets.dtype == torch.float32
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(200))
    assert (targets >= 0).all()
    torch.testing.assert_close(out.mean(dim=(1, 2, 3)), targets @ torch.arange(8.0), rtol=0, atol=1e-4)
    assert get_augmentation(name).mixes
    own = targets[torch.arange(200), y]
    assert 0.35 < own.mean() < 0.85
    assert own.std() > 0.1


def test_mixup_blends_and_cutmix_pastes():
    y = torch.tensor([0, 1])
    x = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 1, 20, 20)
    seed = next(s for s in range(50) if np.random.default_rng(s).permutation(2).tolist() == [1, 0])
    blended, _ = augmented({"mixup": {"alpha": 1.0}}, x, y, seed=seed, n_classes=2)
    assert blended.std(dim=(1, 2, 3)).max() < 1e-6
    pasted, _ = augmented("cutmix", x, y, seed=seed, n_classes=2)
    assert set(pasted.unique().tolist()) == {0.0, 1.0}


def test_rows_as_targets_are_mixed_as_they_are():
    y = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=torch.int8)
    _, targets = augmented("mixup", batch(n=4), y)
    assert targets.shape == (4, 3)
    assert ((targets >= 0) & (targets <= 1)).all()


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_weights_are_mixed_so_that_the_weighted_loss_is_that_of_both_parts(name):
    n = 16
    y, weight = torch.arange(n), torch.linspace(0.0, 3.0, n, dtype=torch.float64)
    augmentation = get_augmentation({name: {"alpha": 1.0}}, n_classes=n)
    mixed = augmentation.transform(Batch(batch(n=n), y, weight), 4)
    plain = augmentation.transform(Batch(batch(n=n), y, None), 4)
    torch.testing.assert_close(mixed.x, plain.x)
    expected = plain.y.double() * weight  # each part with the weight of the image it comes from
    torch.testing.assert_close(mixed.y.double() * mixed.sample_weight[:, None], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(mixed.y.sum(dim=1), torch.ones(n))


def test_targets_that_cannot_be_mixed():
    with pytest.raises(ValueError, match="`n_classes` must be given where images with class indices are mixed"):
        augmented("mixup", None, torch.arange(N))
    with pytest.raises(ValueError, match="class indices or rows of numbers as targets. Received: torch.float32"):
        augmented("mixup", None, torch.rand(N), n_classes=3)
    with pytest.raises(ValueError, match=r"of shape \(N,\) or \(N, L\) to be mixed. Received: \(12, 1, 1\)"):
        augmented("mixup", None, torch.zeros(N, 1, 1, dtype=torch.int64), n_classes=3)
    assert augmented("mixup")[1] is None


# -- transforms of others ----------------------------------------------------------------------------------


def test_a_transform_of_kornia():
    """One object for the whole batch, with other numbers for each image."""
    transform = kornia.RandomAffine(30.0, p=1.0)
    out, _ = augmented(transform)
    assert out.shape == (N, 3, H, W)
    assert torch.equal(out, augmented(transform)[0])
    assert torch.equal(out, augmented(kornia.RandomAffine(30.0, p=1.0))[0])
    assert not torch.equal(out, augmented(transform, seed=2)[0])
    container = kornia.AugmentationSequential(transform, kornia.RandomHorizontalFlip(p=0.5), data_keys=["input"])
    assert augmented(container)[0].shape == (N, 3, H, W)
    same = batch()[:1].repeat(2, 1, 1, 1)
    turned, _ = augmented(transform, same)
    assert not torch.equal(turned[0], turned[1])


def test_a_name_of_kornia_is_its_transform():
    ours, _ = augmented({"affine": {"degrees": 30.0}})
    options = {"degrees": 30.0, "translate": (0.1, 0.1), "scale": (0.9, 1.1), "shear": 5.0, "p": 1.0}
    assert torch.equal(ours, augmented(kornia.RandomAffine(**options))[0])
    with pytest.raises(ValueError, match="'affine' with options that kornia's RandomAffine refuses: .*degree"):
        get_augmentation({"affine": {"degree": 30.0}})


def test_a_transform_of_torchvision_draws_for_each_image():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    x = batch()[:1].repeat(N, 1, 1, 1)
    out, _ = augmented(v2.Compose([v2.RandomHorizontalFlip(), v2.RandomResizedCrop((H, W), antialias=True)]), x)
    assert out.shape == x.shape
    assert len({image.sum().item() for image in out}) > 3


def test_mixing_of_torchvision():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    transform = v2.MixUp(num_classes=4)
    augmentation = get_augmentation(transform)
    assert augmentation.mixes
    _, targets = augmentation.apply(batch(), torch.arange(N) % 4, seed=0)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(N))


def test_mixing_of_kornia_is_refused():
    with pytest.raises(ValueError, match="Use 'mixup' or 'cutmix' instead"):
        get_augmentation(kornia.RandomMixUpV2())


def test_a_module_or_function():
    assert torch.equal(augmented(nn.Identity())[0], batch())
    out, _ = augmented(["flip", lambda x: 1 - x, {"crop": {"padding": 1}}])
    assert out.shape == (N, 3, H, W)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: x[:3], r"torch.float32 of shape \(3, 3, 10, 14\)"),
        (lambda x: x[:, :1], r"of shape \(12, 1, 10, 14\)"),
        (lambda x: (x * 255).byte(), "torch.uint8"),
        (lambda x: None, "NoneType"),
    ],
)
def test_a_function_that_returns_something_else(function, got):
    with pytest.raises(ValueError, match=rf"must return floating images of shape \(12, 3, H, W\). Received: .*{got}"):
        augmented(function)


def test_what_is_said_of_functions_does_not_change_from_process_to_process():
    assert repr(get_augmentation(batch)) == f"Augmentation([Foreign({batch.__module__}.batch)])"
    assert " at 0x" not in repr(get_augmentation(lambda x: x))


# -- specifications ----------------------------------------------------------------------------------------


def test_names_lists_and_mappings():
    light = get_augmentation("light")
    assert repr(get_augmentation(["crop", "flip"])) == repr(light)
    assert repr(get_augmentation({"crop": {}, "flip": {}})) == repr(light)
    assert repr(get_augmentation(["none", light])) == repr(light)
    assert get_augmentation(light) is light
    assert get_augmentation(None).steps == get_augmentation("none").steps == ()
    assert all(isinstance(step, Step) for name in list_augmentations() for step in get_augmentation(name).steps)
    assert get_augmentation({"resized_crop": {"area": [0.5, 1.0]}}).steps[0].area == (0.5, 1.0)


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("flop", ValueError, "Unknown augmentation 'flop'. Did you mean 'flip'"),
        (["flip", "flop"], ValueError, "Unknown augmentation 'flop'"),
        ({"rotate": {"degree": 5}}, ValueError, "Unknown option of 'rotate' 'degree'. Did you mean 'degrees'"),
        ({"rotate": {"degrees": 500}}, ValueError, r"`degrees` must be a number in \[0, 180\]. Received: degrees=500"),
        ({"rotate": {"fill": "red"}}, ValueError, "`fill` must be 'zeros', 'border' or 'reflection'"),
        ({"rotate": 5}, TypeError, "Options of the augmentation 'rotate' must be a mapping"),
        ({"flip": {"probability": 1.5}}, ValueError, r"`probability` must be a number in \[0, 1\]"),
        ({"flip": {"direction": "up"}}, ValueError, "`direction` must be 'horizontal' or 'vertical'"),
        ({"crop": {"padding": 1.5}}, ValueError, "`padding` must be whole pixels or None"),
        ({"resized_crop": {"area": (0.9, 0.1)}}, ValueError, "`area` must be two numbers, the smaller first"),
        ({"color": {"hue": 1}}, ValueError, r"`hue` must be a number in \[0, 0.5\]"),
        ({"mixup": {"alpha": 0}}, ValueError, r"`alpha` must be a number in \[0.001, 1000\]"),
        (3, TypeError, "`augment` must be a name, a mapping"),
        ([3], TypeError, "`augment` must be"),
    ],
)
def test_wrong_specifications(spec, error, said):
    with pytest.raises(error, match=said):
        get_augmentation(spec)


# -- ten crops ---------------------------------------------------------------------------------------------


def test_ten_crops():
    x = batch(h=9, w=11)
    pieces = ten_crop(x, (6, 5))
    assert pieces.shape == (N, 10, 3, 6, 5)
    corners = [(0, 0), (0, 6), (3, 0), (3, 6)]
    for number, (top, left) in enumerate(corners):
        assert torch.equal(pieces[:, number], x[:, :, top : top + 6, left : left + 5])
    assert torch.equal(pieces[:, 4], x[:, :, 2:8, 3:8])
    assert torch.equal(pieces[:, 5:], pieces[:, :5].flip(-1))


def test_ten_crops_are_those_of_torchvision():
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    x = batch(h=9, w=12)
    theirs = functional.ten_crop(x, [5, 5])
    ours = ten_crop(x, 5)
    mirrored_and_swapped = [6, 5, 8, 7]  # it cuts the corners of the mirror image; the centre depends on rounding
    for number, other in [*zip(range(5), range(5), strict=True), *zip(range(5, 9), mirrored_and_swapped, strict=True)]:
        assert torch.equal(ours[:, number], theirs[other])


@pytest.mark.parametrize("size", [12, (0, 4), (4, 15)])
def test_pieces_that_do_not_fit(size):
    with pytest.raises(ValueError, match="`size` must fit in the images of 10 x 14 pixels"):
        ten_crop(batch(), size)
    with pytest.raises(ValueError, match=r"`x` must be images of shape \(N, C, H, W\)"):
        ten_crop(batch()[0], 4)
