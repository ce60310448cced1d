"""Restoring and compressing images: what is promised, on small pictures; hostile files."""

import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import strata
from strata import ImageCompressor, ImageDenoiser
from strata.errors import DataError
from strata.estimators._codec import Head, write_stream


def pictures(n=40, channels=0, side=24):
    random = np.random.RandomState(0)
    images = np.zeros((n, side, side - 4, max(channels, 1)), np.uint8)
    for image in images:
        top, left = random.randint(2, side - 14, 2)
        image[top : top + 9, left : left + 8] = random.randint(90, 255, images.shape[3])
    return images if channels else images[..., 0]


CLEAN = pictures()


def denoiser(**options):
    settings = {"channels": (8, 16), "max_iter": 12, "n_patches": 256, "patch_size": 20, "random_state": 0, **options}
    return ImageDenoiser(settings.pop("noise_level", 0.2), **settings)


def compressor(**options):
    settings = {"channels": (16, 16, 8), "max_iter": 2, "n_patches": 64, "patch_size": 16, "random_state": 0, **options}
    return ImageCompressor(settings.pop("trade_offs", (0.003, 0.03)), **settings)


def noisy(images, level=0.2, seed=5):
    pixels = images / 255.0
    return np.clip(pixels + level * np.random.RandomState(seed).normal(size=pixels.shape), 0, 1)


# -- restoring -------------------------------------------------------------------------------------------------


def test_noise_is_undone():
    fitted = denoiser().fit(CLEAN[:30])
    held = CLEAN[30:]
    before = 10 * np.log10(1 / np.mean((noisy(held) - held / 255.0) ** 2))
    assert fitted.score(noisy(held), held) > before + 4
    assert fitted.history_["loss"][-1] < 0.5 * fitted.history_["loss"][0]


def test_pairs_teach_any_damage():
    damaged = CLEAN.copy()
    damaged[:, ::3] = 0  # every third line is lost
    fitted = denoiser(max_iter=20).fit(damaged[:30], CLEAN[:30])
    before = 10 * np.log10(255**2 / np.mean((damaged[30:].astype(float) - CLEAN[30:]) ** 2))
    assert fitted.score(damaged[30:], CLEAN[30:]) > before + 3


def test_images_come_back_in_the_form_they_came_in():
    fitted = denoiser(max_iter=1).fit(CLEAN)
    assert fitted.transform(CLEAN).dtype == np.uint8 and fitted.transform(CLEAN).shape == CLEAN.shape
    floats = fitted.transform(CLEAN / 255.0)
    assert floats.dtype == np.float32 and floats.min() >= 0 and floats.max() <= 1
    many = fitted.transform([CLEAN[0], CLEAN[1][:17, :9]])
    assert [image.shape for image in many] == [(24, 20), (17, 9)] and many[0].dtype == np.uint8
    assert np.array_equal(many[0], fitted.transform(CLEAN)[0])
    colour = denoiser(max_iter=1).fit(pictures(8, 3))
    assert colour.transform(pictures(8, 3)).shape == (8, 24, 20, 3)


def test_files_are_read(tmp_path):
    paths = []
    for number, image in enumerate(pictures(6, 3)):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(paths[-1])
    fitted = denoiser(max_iter=1).fit([str(path) for path in paths])
    assert len(fitted.transform(paths)) == 6
    with pytest.raises(DataError, match=r"missing\.png"):
        fitted.transform([tmp_path / "missing.png"])


def test_a_resumed_denoiser_is_the_uninterrupted_one(tmp_path):
    whole = denoiser(max_iter=4, noise_level=(0.1, 0.3), schedule=None).fit(CLEAN)
    denoiser(max_iter=2, noise_level=(0.1, 0.3), schedule=None, checkpoint=tmp_path).fit(CLEAN)
    resumed = denoiser(max_iter=4, noise_level=(0.1, 0.3), schedule=None, checkpoint=tmp_path, resume=True).fit(CLEAN)
    assert np.array_equal(resumed.transform(CLEAN), whole.transform(CLEAN)) and resumed.n_iter_ == 4


def test_own_validation_images_stop_it_early():
    fitted = denoiser(early_stopping=True, max_iter=3).fit(CLEAN[:30], X_val=CLEAN[30:])
    assert len(fitted.validation_scores_) == 3 and fitted.best_validation_score_ == max(fitted.validation_scores_)
    paired = denoiser(max_iter=1).fit(CLEAN, CLEAN, X_val=CLEAN[:20], y_val=CLEAN[:20])
    assert len(paired.validation_scores_) == 1
    warm = denoiser(max_iter=2, warm_start=True).fit(CLEAN)
    assert warm.fit(CLEAN).loss_curve_[2] < warm.loss_curve_[0]


# -- compressing ---------------------------------------------------------------------------------------------------


def test_what_is_decompressed_is_what_was_promised():
    settings = {"max_iter": 60, "n_patches": 256, "batch_size": 16, "learning_rate_init": 3e-3}
    fitted = compressor(channels=(16, 8), **settings).fit(CLEAN[:30])
    held = CLEAN[30:]
    sizes, errors = [], []
    for quality in range(2):
        data = fitted.compress(held, quality=quality)
        back = fitted.decompress(data)
        assert back.dtype == np.uint8 and np.array_equal(back, fitted.reconstruct(held, quality=quality))
        sizes.append(len(data))
        errors.append(np.mean((back.astype(float) - held) ** 2))
    assert 50 < sizes[0] < sizes[1] < 0.25 * held.nbytes
    assert errors[1] < 0.85 * errors[0] < 0.1 * np.var(held)
    assert fitted.compress(held) == fitted.compress(held, quality=1)


@pytest.mark.parametrize(
    "images",
    [CLEAN[:3], CLEAN[:3] / 255.0, pictures(3, 3), [CLEAN[0], CLEAN[1][:9, :17]], [pictures(1, 3)[0]]],
    ids=["grey", "floats", "colour", "sizes", "one"],
)
def test_images_of_every_form_come_back(images, tmp_path):
    colour = np.ndim(images[0]) == 3
    fitted = compressor(max_iter=1).fit(pictures(8, 3) if colour else CLEAN)
    n_bytes = fitted.write(tmp_path / "file", images)
    assert n_bytes == (tmp_path / "file").stat().st_size
    back = fitted.read(tmp_path / "file")
    promised = fitted.reconstruct(images)
    assert type(back) is type(promised) and len(back) == len(images)
    for one, other, image in zip(back, promised, images, strict=True):
        assert np.array_equal(one, other) and one.shape == np.shape(image)


def test_a_loaded_compressor_reads_the_file_and_another_does_not(tmp_path):
    fitted = compressor(max_iter=1).fit(CLEAN)
    data = fitted.compress(CLEAN[:5])
    loaded = strata.load(fitted.save(tmp_path / "model"))
    assert np.array_equal(loaded.decompress(data), fitted.decompress(data))
    other = compressor(max_iter=1, random_state=1).fit(CLEAN)
    with pytest.raises(DataError, match="This file is of another compressor"):
        other.decompress(data)


def resealed(data: bytes) -> bytes:
    """A forged file with the right checksum."""
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


def test_hostile_files_are_refused():
    fitted = compressor(max_iter=1).fit(CLEAN)
    data = fitted.compress(CLEAN[:2])
    for cut in range(0, len(data), 7):
        with pytest.raises(DataError):
            fitted.decompress(data[:cut])
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        with pytest.raises(DataError):
            fitted.decompress(flipped)
    random = np.random.RandomState(0)
    for _ in range(300):  # the checksum is no signature: what it seals must be checked all the same
        forged = bytearray(data)
        for place in random.randint(4, len(data), random.randint(1, 6)):
            forged[place] = random.randint(256)
        try:
            images = fitted.decompress(resealed(bytes(forged)))
        except DataError:
            continue
        assert len(images) <= 2 or sum(np.size(image) for image in images) <= fitted.max_pixels
    with pytest.raises(DataError, match="This is no file of an ImageCompressor that can be read: it does not begin"):
        fitted.decompress(b"\xff\xd8\xff\xe0" + bytes(100))
    with pytest.raises(TypeError, match="`data` must be bytes"):
        fitted.decompress("text")


def test_a_file_may_not_hold_more_pixels_than_allowed():
    fitted = compressor(max_iter=1).fit(CLEAN)
    data = bytearray(fitted.compress(CLEAN[:2]))
    data[20:24] = (65535).to_bytes(2, "little") * 2  # height and width
    with pytest.raises(DataError, match="it holds more than 100000000 pixels"):
        fitted.decompress(resealed(bytes(data)))
    fitted.set_params(max_pixels=10)
    with pytest.raises(ValueError, match="`X` must hold at most max_pixels=10 pixels"):
        fitted.compress(CLEAN[:2])


@pytest.mark.parametrize("make", [denoiser, compressor])
def test_they_come_back_from_a_folder_and_can_be_cloned(make, tmp_path):
    fitted = make(max_iter=1).fit(CLEAN)
    loaded = strata.load(fitted.save(tmp_path / "model"))
    look = "transform" if make is denoiser else "reconstruct"
    assert np.array_equal(getattr(loaded, look)(CLEAN), getattr(fitted, look)(CLEAN))
    assert clone(fitted).get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        getattr(clone(fitted), look)(CLEAN)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: denoiser().fit(np.zeros((3, 4))), r"`X` must be images of shape \(n, h, w\)"),
        (lambda: denoiser().fit([np.zeros(3)]), r"`X` must be images of shape \(n, h, w\)"),
        (lambda: denoiser().fit(300 * np.ones((2, 24, 24), int)), "`X` must lie in 0 to 255 for whole numbers"),
        (lambda: denoiser().fit(np.full((2, 24, 24), np.nan)), "`X` must hold finite numbers"),
        (lambda: denoiser().fit([CLEAN[0], np.zeros((24, 24, 3), np.uint8)]), "with the same number of channels"),
        (lambda: denoiser().fit(CLEAN, CLEAN[:, :20]), "`X` and `y` must hold images of the same sizes"),
        (lambda: denoiser().fit(CLEAN, CLEAN, X_val=CLEAN), "`y_val` must be given with `X_val`"),
        (lambda: denoiser().fit(CLEAN, y_val=CLEAN), "`X_val` and `y_val` must be given together"),
        (lambda: denoiser(noise_level=(0.3, 0.1)).fit(CLEAN), "`noise_level` must be one number of at least 0, or two"),
        (lambda: denoiser(solver="lbfgs").fit(CLEAN), "`solver` must be a stochastic one"),
        (lambda: denoiser(patch_size=2).fit(CLEAN), "`patch_size` must be at least 4 and fit into the smallest image"),
        (lambda: denoiser(channels=(4, 0)).fit(CLEAN), "`channels` must be made of whole numbers"),
        (lambda: denoiser(max_iter=1).fit(CLEAN).transform(pictures(2, 3)), r"`X` must hold images of 1 channel\(s\)"),
        (lambda: compressor(trade_offs=(0.1, 0.01)).fit(CLEAN), "`trade_offs` must be up to 64 numbers above 0"),
        (lambda: compressor(trade_offs=()).fit(CLEAN), "`trade_offs` must be up to 64 numbers above 0"),
        (lambda: compressor(max_iter=1).fit(CLEAN).compress(CLEAN, quality=2), "`quality` must be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_images_that_a_file_claims_and_does_not_hold_cost_no_memory():
    images = np.random.RandomState(0).randint(0, 256, (2, 8, 8)).astype(np.uint8)
    model = ImageCompressor((0.01,), channels=(4, 3), max_iter=1, n_patches=2, random_state=0).fit(images)
    n_images = 2_000_000
    claim = write_stream(Head(0, 1, model._fingerprint(), [(1, 1)] * n_images, False, True, True), b"\x00nothing")
    tracemalloc.start()
    with pytest.raises(DataError, match="announced"):
        model.decompress(claim)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * n_images
