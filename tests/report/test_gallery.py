"""What is read of pictures, and how every file that cannot be used is named before anything is trained."""

import shutil

import numpy as np
import pytest
from PIL import Image

from strata.data import ImageSet
from strata.errors import DataError
from strata.report.gallery import are_pictures, read_gallery

NETWORKS = ["lenet5", "resnet8"]


@pytest.fixture
def own(shapes, tmp_path):
    """A copy of the folder that may be changed."""
    return shutil.copytree(shapes, tmp_path / "shapes")


def damage(folder):
    """Three files that are no pictures any more."""
    (folder / "bar" / "00.png").write_bytes(b"")
    data = (folder / "cross" / "01.png").read_bytes()
    (folder / "cross" / "01.png").write_bytes(data[: len(data) // 2])
    (folder / "disc" / "02.png").write_text("no picture at all")


@pytest.mark.parametrize(
    ("data", "model", "answer"),
    [
        ("iris", "mlp", False),
        ("iris.csv", "auto", False),
        ("cifar10", "auto", False),
        ("cifar10", "resnet8", True),
        ((np.zeros((3, 4)), [0, 1, 0]), "mlp", False),
        ((np.zeros((3, 4, 4)), [0, 1, 0]), "lenet5", True),
        ((["a.png", "b.png"], ["x", "y"]), "auto", True),
        (["a.png"], "auto", True),
        (ImageSet((), None, (), None, False), "auto", True),
    ],
)
def test_what_is_taken_for_pictures(data, model, answer):
    assert are_pictures(data, model, NETWORKS) is answer


def test_a_folder_is_pictures_and_a_file_is_not(shapes, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    assert are_pictures(shapes, "auto", NETWORKS) and not are_pictures(table, "auto", NETWORKS)


def test_a_folder_of_class_folders(shapes):
    gallery = read_gallery(shapes)
    assert len(gallery) == 60 and gallery.classes == ["bar", "cross", "disc"]
    assert gallery.names[0] == "bar/00.png" and gallery.labels[0] == "bar"
    assert gallery.thumbnails.shape == (60, 32, 32, 3) and gallery.thumbnails.dtype == np.uint8
    assert gallery.size_text() == "16 × 16 pixels" and not gallery.is_grey
    part = gallery.take(np.array([59, 0]))
    assert part.names == ["disc/19.png", "bar/00.png"] and part.labels.tolist() == ["disc", "bar"]
    assert part.inputs() == [shapes / "disc" / "19.png", shapes / "bar" / "00.png"]


def test_the_digest_follows_names_labels_and_contents(own):
    first = read_gallery(own).digest
    assert read_gallery(own).digest == first
    (own / "bar" / "00.png").rename(own / "bar" / "zz.png")
    renamed = read_gallery(own).digest
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(own / "bar" / "zz.png")
    changed = read_gallery(own).digest
    (own / "bar" / "zz.png").rename(own / "disc" / "zz.png")
    assert len({first, renamed, changed, read_gallery(own).digest}) == 4


def test_every_damaged_file_is_named_with_a_way_out(own):
    damage(own)
    with pytest.raises(DataError, match="3 of 60 files cannot be used") as error:
        read_gallery(own)
    text = str(error.value)
    assert all(name in text for name in ("bar/00.png", "cross/01.png", "disc/02.png", "--skip-damaged"))
    assert "\n" not in text
    gallery = read_gallery(own, skip_damaged=True)
    assert len(gallery) == 57 and [each.path.name for each in gallery.refused] == ["00.png", "01.png", "02.png"]
    assert "bar/00.png" not in gallery.names and gallery.reading == {"skip_damaged": True}
    assert len(gallery.thumbnails) == len(gallery.labels) == len(gallery.digests) == 57


def test_labels_from_a_table(own, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, name in enumerate(("a", "b", "c", "d")):
        shutil.copy(own / "bar" / f"0{number}.png", flat / f"{name}.png")
    with pytest.raises(DataError, match=r"nothing says what the pictures show.*--labels FILE"):
        read_gallery(flat)
    table = tmp_path / "mine.csv"
    table.write_text("file,label\na.png,x\nb.png,y\nc.png,x\nd.png,y\n")
    gallery = read_gallery(flat, labels=table)
    assert dict(zip(gallery.names, gallery.labels.tolist(), strict=True))["b.png"] == "y"
    assert gallery.reading["labels"] == str(table)
    shutil.copy(table, flat / "labels.csv")
    assert read_gallery(flat).classes == ["x", "y"]
    (flat / "labels.csv").write_text("file,label\na.png,x|y\nb.png,y\nc.png,x\nd.png,y\n")
    with pytest.raises(DataError, match="several labels"):
        read_gallery(flat)


def test_folders_train_and_test_are_the_split(shapes, tmp_path):
    for part in ("train", "test"):
        shutil.copytree(shapes, tmp_path / "both" / part)
    gallery = read_gallery(tmp_path / "both")
    assert gallery.classes == ["bar", "cross", "disc"] and len(gallery) == 60 and len(gallery.test) == 60
    (tmp_path / "both" / "test" / "disc").rename(tmp_path / "both" / "test" / "ring")
    with pytest.raises(DataError, match="class 'ring' is not among those of train/"):
        read_gallery(tmp_path / "both")


def test_one_class_is_nothing_to_tell_apart():
    with pytest.raises(DataError, match="one class"):
        read_gallery((np.zeros((3, 8, 8), np.uint8), np.array(["a", "a", "a"])))


def test_arrays_of_any_range_become_bytes():
    x = np.linspace(0, 1, 4 * 8 * 8).reshape(4, 8, 8)
    gallery = read_gallery((x, np.array([0, 1, 0, 1])))
    assert gallery.pixels.dtype == np.uint8 and gallery.pixels.max() == 255 and gallery.is_grey
    assert gallery.names == ["0", "1", "2", "3"]
    with pytest.raises(ValueError, match="equal length"):
        read_gallery((x, np.array([0, 1, 0])))
    with pytest.raises(ValueError, match="shape"):
        read_gallery((np.zeros((4, 8, 8, 5)), np.array([0, 1, 0, 1])))
    with pytest.raises(ValueError, match="finite and not negative"):
        read_gallery((x - 1, np.array([0, 1, 0, 1])))


def test_bundled_sets_of_pictures_and_of_others():
    gallery = read_gallery("digits")
    assert gallery.pixels.shape[1:] == (8, 8) and gallery.pixels.max() == 255
    with pytest.raises(ValueError, match="a table"):
        read_gallery("iris")
    with pytest.raises(DataError, match="no such folder"):
        read_gallery("no-such-folder")


def test_without_labels_all_pictures_below_a_folder_are_taken(shapes):
    gallery = read_gallery(shapes, with_labels=False)
    assert len(gallery) == 60 and gallery.labels is None
