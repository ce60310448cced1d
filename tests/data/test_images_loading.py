"""Many files into one array: in order, within the limits, the problems all at once, the cache whole or absent."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from strata.data import ImageFiles, ImageSource, image_loading, load_images, read_image
from strata.data import _image_cache as cache_module
from strata.data._decode import decode
from strata.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of different sizes, all one grey level each: 10, 20, ..."""
    for number in range(12):
        Image.new("L", (20 + number, 30), 10 * number + 10).save(tmp_path / f"{number:02}.png")
    return tmp_path


def paths(folder):
    return sorted(folder.glob("*.png"))


def greys(array):
    values = np.asarray(array.take(slice(None)) if isinstance(array, ImageFiles) else array)
    assert (values == values[:, :1, :1, :1]).all()
    return values[:, 0, 0, 0].tolist()


EXPECTED = list(range(10, 130, 10))


@pytest.mark.parametrize("n_workers", [1, 2, 7])
def test_the_order_is_that_of_the_paths(folder, n_workers):
    seen = []
    loaded = load_images(paths(folder), size=(8, 6), n_workers=n_workers, progress=lambda *done: seen.append(done))
    assert loaded.array.shape == (12, 8, 6, 3)
    assert loaded.array.dtype == np.uint8
    assert greys(loaded.array) == EXPECTED
    assert loaded.kept.tolist() == list(range(12))
    assert loaded.problems == ()
    assert seen == [(number, 12) for number in range(1, 13)]


def test_grey_levels_and_a_square(folder):
    assert load_images(paths(folder)[:2], size=5, channels=1).array.shape == (2, 5, 5, 1)


def test_few_images_wait_at_a_time(folder, monkeypatch):
    """However slow what takes them is: memory is bounded by the workers and not by the files."""
    begun, ahead = [], []

    def counted(path, target):
        begun.append(path)
        return decode(path, target)

    monkeypatch.setattr(image_loading, "decode", counted)
    many = paths(folder) * 20
    load_images(many, size=4, n_workers=2, progress=lambda done, n: ahead.append(len(begun) - done))
    assert len(begun) == 240
    assert max(ahead) <= 4 * 2


# -- resizing ----------------------------------------------------------------------------------------------


def halves(path, width=40, height=20):
    """Left third red, the rest blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 4, 0] = 255
    pixels[:, width // 4 :, 2] = 255
    Image.fromarray(pixels).save(path)
    return path


def test_crop_takes_the_middle(tmp_path):
    """Of 40 x 20 pixels the middle 20 x 20 are left, columns 10 to 29: red is gone but for the filter's reach."""
    array = load_images([halves(tmp_path / "a.png")], size=10, resize="crop").array
    assert (array[0, :, 1:] == [0, 0, 255]).all()
    assert (array[0, :, 0, 2] > 200).all()


def test_stretch_keeps_everything(tmp_path):
    array = load_images([halves(tmp_path / "a.png")], size=8, resize="stretch").array
    assert (array[0, :, :1] == [255, 0, 0]).all()
    assert (array[0, :, 3:] == [0, 0, 255]).all()


def test_pad_keeps_the_shape_and_fills_with_black(tmp_path):
    array = load_images([halves(tmp_path / "a.png")], size=8, resize="pad").array
    assert (array[0, [0, 1, 6, 7]] == 0).all()
    assert (array[0, 2:6, :1] == [255, 0, 0]).all()


def test_resizing_has_no_aliases(tmp_path):
    """Stripes of one pixel become the grey between them, not stripes."""
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    Image.fromarray(stripes).save(tmp_path / "a.png")
    array = load_images([tmp_path / "a.png"], size=8, channels=1).array
    np.testing.assert_allclose(array, 127.5, atol=6)


def test_the_right_size_is_left_alone(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_images([tmp_path / "a.png"], size=9).array[0], pixels)


@pytest.mark.parametrize("how", ["crop", "stretch", "pad"])
def test_a_turned_picture_is_resized_upright(tmp_path, how):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = halves(tmp_path / "a.png", width=20, height=60)
    with Image.open(upright) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.png", exif=exif)
    both = load_images([upright, tmp_path / "b.png"], size=(12, 6), resize=how).array
    np.testing.assert_array_equal(both[0], both[1])


def test_a_large_jpeg_decoded_smaller_looks_the_same(tmp_path):
    down, across = np.mgrid[0:600, 0:800]
    pixels = np.stack([down // 3, across // 4, (down + across) // 6], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(read_image(tmp_path / "a.jpg")).save(tmp_path / "a.png")
    both = load_images([tmp_path / "a.jpg", tmp_path / "a.png"], size=(48, 64)).array.astype(int)
    assert np.abs(both[0] - both[1]).max() <= 4


def test_tiny_pictures_are_enlarged(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    Image.new("RGB", (1, 300), (1, 2, 3)).save(tmp_path / "b.png")
    for how in ("crop", "stretch"):
        array = load_images([tmp_path / "a.png", tmp_path / "b.png"], size=4, resize=how).array
        assert (array == [1, 2, 3]).all()
    assert load_images([tmp_path / "b.png"], size=4, resize="pad").array[0, 0].tolist() == [
        [0] * 3,
        [1, 2, 3],
        [0] * 3,
        [0] * 3,
    ]


# -- problems ----------------------------------------------------------------------------------------------


def spoil(folder, *numbers):
    for number in numbers:
        path = folder / f"{number:02}.png"
        path.write_bytes(path.read_bytes()[: 40 if number % 2 else 0])


def test_all_problems_are_reported_at_once(folder):
    spoil(folder, *range(11))
    with pytest.raises(DataError) as caught:
        load_images(paths(folder), size=8)
    lines = str(caught.value).split("\n")
    assert lines[0] == "11 of 12 images cannot be used:"
    assert lines[1] == f"  {folder / '00.png'}: the file has no content (0 bytes)."
    assert "truncated or damaged" in lines[2]
    assert len(lines) == 12
    assert lines[-1] == "  and 1 more"


@pytest.mark.parametrize("limits", [{}, {"memory_limit": 0}, {"memory_limit": 0, "disk_limit": 0}])
def test_problems_can_be_left_out(folder, limits):
    spoil(folder, 3, 4)
    loaded = load_images(paths(folder), size=8, on_problem="skip", cache_folder=folder / "cache", **limits)
    assert loaded.kept.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert greys(loaded.array) == [value for value in EXPECTED if value not in (40, 50)]
    assert [(problem.path.name, problem.kind) for problem in loaded.problems] == [
        ("03.png", "damaged"),
        ("04.png", "empty"),
    ]


@pytest.mark.parametrize("limits", [{}, {"memory_limit": 0}, {"memory_limit": 0, "disk_limit": 0}])
def test_nothing_is_left(folder, limits):
    spoil(folder, *range(12))
    with pytest.raises(DataError, match="^12 of 12 images cannot be used:"):
        load_images(paths(folder), size=8, on_problem="skip", cache_folder=folder / "cache", **limits)
    assert not list((folder / "cache").glob("*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "`size` must be .height, width. in 1..16384 pixels. Received: size=0"),
        ({"size": (8, 8, 8)}, "`size`"),
        ({"size": "8"}, "`size`"),
        ({"size": 8, "resize": "fit"}, "`resize` must be 'crop', 'stretch' or 'pad'. Received: resize='fit'"),
        ({"size": 8, "n_workers": 0}, "`n_workers` must be an integer of at least 1, or None. Received: n_workers=0"),
        ({"size": 8, "memory_limit": -1}, "`memory_limit` must be a number of bytes, 0 or more"),
        ({"size": 8, "on_problem": "warn"}, "`on_problem` must be 'raise' or 'skip'. Received: on_problem='warn'"),
        ({"size": 8, "channels": 2}, "`channels`"),
    ],
)
def test_wrong_arguments(folder, options, said):
    with pytest.raises(ValueError, match=said):
        load_images(paths(folder), **options)


def test_no_paths():
    with pytest.raises(DataError, match="`paths` must have at least one path"):
        load_images([], size=8)


# -- the cache on the disk -----------------------------------------------------------------------------------


def on_disk(folder, **options):
    options = {"size": 8, "memory_limit": 0, "cache_folder": folder / "cache", **options}
    return load_images(paths(folder), **options)


def test_beyond_the_memory_limit_images_lie_on_the_disk_and_are_used_again(folder, monkeypatch):
    first = on_disk(folder)
    assert isinstance(first.array, np.memmap)
    assert greys(first.array) == EXPECTED
    assert not first.array.flags.writeable
    assert sorted(path.suffix for path in (folder / "cache").iterdir()) == [".json", ".u8"]
    monkeypatch.setattr(image_loading, "decode", None)  # nothing is decoded any more
    again = on_disk(folder)
    assert greys(again.array) == EXPECTED
    assert again.kept.tolist() == first.kept.tolist()


def test_a_changed_file_or_setting_is_decoded_again(folder):
    on_disk(folder)
    Image.new("L", (20, 30), 255).save(folder / "00.png")
    assert greys(on_disk(folder).array) == [255, *EXPECTED[1:]]
    status = (folder / "01.png").stat()
    os.utime(folder / "01.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    on_disk(folder)
    on_disk(folder, resize="pad")
    assert len(list((folder / "cache").glob("*.json"))) == 4


def test_a_damaged_entry_is_made_again(folder):
    on_disk(folder)
    (data,) = (folder / "cache").glob("*.u8")
    whole = data.read_bytes()
    for damaged in (whole[:-1], whole + b"\0", b""):
        data.write_bytes(damaged)
        assert greys(on_disk(folder).array) == EXPECTED
        assert data.read_bytes() == whole
    (record,) = (folder / "cache").glob("*.json")
    for text in ("", "{}", '{"shape": [12, 8, 8, 3], "kept": [99], "problems": []}', '{"shape": 3, "kept": 4}'):
        record.write_text(text)
        assert greys(on_disk(folder).array) == EXPECTED


def test_what_a_killed_process_left_is_swept(folder):
    """The process dies while it writes: no entry is there, and the next run cleans up and does it again."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from strata.data import load_images\n"
        "files = sorted(Path(sys.argv[1]).glob('*.png'))\n"
        "def progress(done, n):\n    done == 6 and os.kill(os.getpid(), 9)\n"
        "load_images(files, size=8, memory_limit=0, cache_folder=Path(sys.argv[1]) / 'cache', progress=progress)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False, timeout=120, capture_output=True)
    assert done.returncode == -9, done.stderr
    (left,) = (folder / "cache").iterdir()
    assert ".tmp-" in left.name
    assert greys(on_disk(folder).array) == EXPECTED
    assert sorted(path.suffix for path in (folder / "cache").iterdir()) == [".json", ".u8"]


def test_an_interruption_leaves_nothing(folder):
    def progress(done, n):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_disk(folder, progress=progress)
    assert list((folder / "cache").iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("strata-decode")]


def test_the_oldest_entries_make_room(folder):
    entry = 12 * 8 * 8 * 3
    for resize in ("crop", "stretch"):
        on_disk(folder, resize=resize)
    records = sorted((folder / "cache").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for time, record in enumerate(records):  # clocks of files are coarse
        for file in (record, record.with_suffix(".u8")):
            os.utime(file, (1e9 + time, 1e9 + time))
    on_disk(folder, resize="crop")  # used again, so it is the younger one now
    on_disk(folder, resize="pad", disk_limit=3 * entry)
    assert not records[1].exists()
    assert records[0].exists()
    assert len(list((folder / "cache").glob("*.u8"))) == 2


def test_a_full_disk_leaves_images_in_their_files(folder, monkeypatch):
    monkeypatch.setattr(cache_module, "_free_bytes", lambda folder: 1 << 20)
    loaded = on_disk(folder)
    assert isinstance(loaded.array, ImageFiles)
    assert not (folder / "cache").exists()


def test_the_cache_is_the_users_by_default(folder, monkeypatch):
    monkeypatch.setenv("STRATA_HOME", str(folder / "home"))
    load_images(paths(folder), size=8, memory_limit=0)
    assert len(list((folder / "home" / "images").glob("*.u8"))) == 1


# -- images that stay in their files -------------------------------------------------------------------------


def test_beyond_the_disk_limit_images_stay_in_their_files(folder):
    loaded = on_disk(folder, disk_limit=0, n_workers=2)
    assert isinstance(loaded.array, ImageFiles)
    assert loaded.array.shape == (12, 8, 8, 3)
    assert greys(loaded.array) == EXPECTED
    assert loaded.array.take(np.array([7, 0, 7]))[:, 0, 0, 0].tolist() == [80, 10, 80]
    assert not (folder / "cache").exists()


def test_a_source_of_files_gives_the_batches_of_a_source_of_an_array(folder):
    targets = np.arange(12)
    options = {"batch_size": 5, "augment": "strong", "random_state": 4, "mean": 0.4, "std": 0.2}
    of_files = ImageSource(on_disk(folder, disk_limit=0).array, targets, **options)
    of_array = ImageSource(load_images(paths(folder), size=8).array, targets, **options)
    of_map = ImageSource(on_disk(folder).array, targets, **options)
    for epoch in range(2):
        for parts in zip(*(source.epoch(epoch).take(0, 9) for source in (of_files, of_array, of_map)), strict=True):
            assert torch.equal(parts[0].x, parts[1].x)
            assert torch.equal(parts[0].x, parts[2].x)
            assert torch.equal(parts[0].y, parts[1].y)


def test_a_file_that_goes_away_during_the_training_is_named(folder):
    source = ImageSource(on_disk(folder, disk_limit=0).array, batch_size=5, shuffle=False)
    (folder / "11.png").unlink()
    batches = source.epoch(0).take(0, 9)
    with pytest.raises(DataError, match="11.png: there is no such file. It was readable before"):
        list(batches)
