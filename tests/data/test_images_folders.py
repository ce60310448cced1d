"""Finding images: class folders, tables of labels, lists; every wrong layout has one clear sentence."""

import os
from pathlib import Path

import numpy as np
import pytest

from strata.data import find_images
from strata.errors import DataError


def files(root, *names):
    """Nothing is read when images are found, so empty files will do."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def table(root, *lines, name="labels.csv"):
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def refused(root, **options):
    with pytest.raises(DataError) as caught:
        find_images(root, **options)
    message = str(caught.value)
    assert str(root) in message
    return message


# -- class folders -----------------------------------------------------------------------------------------


def test_a_folder_of_class_folders(tmp_path):
    files(tmp_path, "dog/2.png", "dog/10.JPG", "cat/deep/er/1.webp", "cat/0.tiff", "notes.txt", "dog/about.md")
    found = find_images(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in found.paths]
    assert names == ["cat/0.tiff", "cat/deep/er/1.webp", "dog/10.JPG", "dog/2.png"]
    assert found.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert found.classes == ("cat", "dog")
    assert (found.root, found.multi_label, len(found)) == (tmp_path, False, 4)
    assert sorted(path.name for path in found.ignored) == ["about.md", "notes.txt"]


def test_hidden_files_and_clutter_are_not_seen(tmp_path):
    files(tmp_path, "a/1.png", "b/1.png", ".git/x.png", "a/.1.png", "a/Thumbs.db", "b/desktop.ini", "__MACOSX/b/1.png")
    found = find_images(tmp_path)
    assert len(found) == 2
    assert found.ignored == ()


def test_pictures_of_formats_that_are_not_read_are_found_so_that_they_are_reported(tmp_path):
    assert len(find_images(files(tmp_path, "a/1.heic", "a/2.svg", "b/1.png"))) == 3


def test_an_empty_class_folder(tmp_path):
    files(tmp_path, "a/1.png", "b/1.png", "c/notes.txt").joinpath("d").mkdir()
    assert "no images in c, d. Remove the empty class folders, or fill them." in refused(tmp_path)


def test_one_class_only(tmp_path):
    message = refused(files(tmp_path, "photos/1.png", "photos/2.png"))
    assert "only one class folder, 'photos'; telling classes apart takes two or more" in message
    assert "above or below" in message


def test_images_beside_class_folders(tmp_path):
    message = refused(files(tmp_path, "a/1.png", "b/1.png", "stray.jpg"))
    assert "1 image (stray.jpg) beside 2 class folders (a, b). Move each image into the folder of its class" in message


def test_nothing_there(tmp_path):
    assert "there are no images in it" in refused(tmp_path)
    assert "there are no images in it" in refused(files(tmp_path, "a/x.txt", "b/y.txt"))
    assert "there is no such folder or file" in refused(tmp_path / "no")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "~nobody-of-this-name/photos"])
def test_names_that_no_folder_can_have(name):
    assert "there is no such folder or file" in refused(name)


def test_a_class_whose_name_is_no_text(tmp_path):
    """Labels are saved as text, and bytes that are no characters could not be."""
    files(tmp_path, "a/1.png", os.fsdecode(b"\xff\xfe") + "/1.png")
    assert r"the name of the class folder '\udcff\udcfe' is not UTF-8" in refused(tmp_path)


def test_links_are_followed_once(tmp_path):
    files(tmp_path / "elsewhere", "1.png", "2.png")
    root = files(tmp_path / "root", "a/1.png", "b/1.png")
    (root / "a" / "link.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (root / "b" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "b" / "up").symlink_to(root)  # a loop
    (root / "b" / "dangling.png").symlink_to(tmp_path / "gone.png")
    names = [str(path.relative_to(root)) for path in find_images(root).paths]
    assert names == ["a/1.png", "a/link.png", "b/1.png", "b/dangling.png", "b/more/1.png", "b/more/2.png"]


def test_the_order_does_not_depend_on_the_system(tmp_path, monkeypatch):
    files(tmp_path, *(f"{name}/{number}.png" for name in "cab" for number in (3, 1, 2)))
    expected = find_images(tmp_path)
    listing = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listing(folder)[::-1])
    assert find_images(tmp_path).paths == expected.paths


# -- without labels ----------------------------------------------------------------------------------------


def test_a_flat_folder_a_file_and_a_list(tmp_path):
    files(tmp_path, "b.png", "a.png", "notes.txt")
    found = find_images(tmp_path)
    assert [path.name for path in found.paths] == ["a.png", "b.png"]
    assert (found.labels, found.classes) == (None, ())
    assert find_images(str(tmp_path / "a.png")).paths == (tmp_path / "a.png",)
    listed = find_images([tmp_path / "b.png", "a.png"])
    assert listed.paths == (tmp_path / "b.png", Path("a.png"))
    assert listed.labels is None


def test_labels_can_be_left_out(tmp_path):
    table(files(tmp_path, "only/1.png", "only/2.png", "3.png"), "file,label", "nothing,a")
    found = find_images(tmp_path, labels=False)
    assert [path.name for path in found.paths] == ["3.png", "1.png", "2.png"]
    assert found.labels is None


def test_a_list_with_labels():
    assert find_images(["a.png", "b.png", "c.png"], labels=["x", "y", "x"]).labels.tolist() == ["x", "y", "x"]
    several = find_images(["a.png", "b.png"], labels=np.array([[0, 1], [1, 1]]))
    assert several.multi_label
    with pytest.raises(ValueError, match="one label for each of the 2 paths. Received: shape .3,."):
        find_images(["a.png", "b.png"], labels=["x", "y", "z"])
    with pytest.raises(DataError, match="at least one path"):
        find_images([])
    with pytest.raises(ValueError, match="Received: a path. Pass the folder with it."):
        find_images(["a.png"], labels="labels.csv")


def test_a_sequence_of_labels_for_a_folder(tmp_path):
    with pytest.raises(ValueError, match="Pass a list of paths with it"):
        find_images(files(tmp_path, "a.png"), labels=["x"])


# -- a table of labels -------------------------------------------------------------------------------------


def test_a_table_of_labels(tmp_path):
    files(tmp_path, "2.png", "1.png", "sub/3.png", "readme.txt")
    found = find_images(table(tmp_path, "file,label", "2.png,dog", "sub/3.png,cat", "1.png,dog"))
    assert [path.relative_to(tmp_path).as_posix() for path in found.paths] == ["2.png", "sub/3.png", "1.png"]
    assert found.labels.tolist() == ["dog", "cat", "dog"]
    assert (found.classes, found.multi_label) == (("cat", "dog"), False)
    assert [path.name for path in found.ignored] == ["readme.txt"]


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (("Image;Class", "1.png;a", "2.png;b"), ["a", "b"]),
        (("label\tfilename", "a\t1.png", "b\t2.png"), ["a", "b"]),
        (("split,photo,kind", "train,1.png,a", "test,2.png,b"), None),
        (("photo,label,width", "1.png,a,10", "2.png,b,20"), ["a", "b"]),
        (('"file","label"', '"1.png","a, or b"', '"2.png","b"'), ["a, or b", "b"]),
        (("\ufefffile,label", "1.png,001", "2.png,01"), ["001", "01"]),
        (("file,label", "./1.png,0", "2.png,1"), ["0", "1"]),
    ],
)
def test_the_columns_are_found(tmp_path, lines, labels):
    table(files(tmp_path, "1.png", "2.png"), *lines)
    if labels is None:
        assert "one column of labels (call it 'label') or several of 0 and 1. Found: 'split, kind'" in refused(tmp_path)
    else:
        assert find_images(tmp_path).labels.tolist() == labels


def test_several_columns_of_0_and_1(tmp_path):
    found = find_images(table(files(tmp_path, "1.png", "2.png"), "file,sun,sea,dog", "1.png,1,1,0", "2.png,0,0,0"))
    assert found.multi_label
    assert found.classes == ("sun", "sea", "dog")
    assert found.labels.tolist() == [[1, 1, 0], [0, 0, 0]]
    assert found.labels.dtype == np.int8


def test_values_joined_by_a_bar(tmp_path):
    found = find_images(
        table(files(tmp_path, "1.png", "2.png", "3.png"), "file,tags", "1.png,sea|sun", "2.png,", "3.png,sun")
    )
    assert found.multi_label
    assert found.classes == ("sea", "sun")
    assert found.labels.tolist() == [[1, 1], [0, 0], [0, 1]]


def test_a_table_elsewhere(tmp_path):
    files(tmp_path / "photos", "1.png", "2.png")
    table(tmp_path, "file,label", "1.png,a", "2.png,b", name="mine.csv")
    assert find_images(tmp_path / "photos", labels=tmp_path / "mine.csv").classes == ("a", "b")
    with pytest.raises(DataError, match="no.csv: there is no such table"):
        find_images(tmp_path / "photos", labels=tmp_path / "no.csv")


def test_files_that_are_not_there_are_named_at_once(tmp_path):
    rows = [f"{number}.png,{'ab'[number % 2]}" for number in range(30)]
    message = refused(table(files(tmp_path, "0.png", "1.png"), "file,label", *rows))
    assert "28 of 30 files are not there: 2.png (line 4), 3.png (line 5)" in message
    assert message.endswith("11.png (line 13) and 18 more.")


def test_a_file_named_twice(tmp_path):
    table(files(tmp_path, "1.png", "2.png"), "file,label", "1.png,a", "2.png,b", "./1.png,b")
    assert "lines 2 and 4 are both of '1.png'" in refused(tmp_path)


def test_files_without_a_row(tmp_path):
    table(files(tmp_path, "1.png", "2.png", "3.png"), "file,label", "1.png,a", "2.png,b")
    assert "no row for 1 image of the folder: 3.png. Give every image a row" in refused(tmp_path)


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "link.png", "dir/secret.png", "C:/a.png"]
)
def test_nothing_outside_the_folder_is_followed(tmp_path, name):
    files(tmp_path, "secret.png")
    root = files(tmp_path / "root", "1.png", "2.png", "sub/x.txt")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "dir").symlink_to(tmp_path)
    table(root, "file,label", "1.png,a", f"{name},b")
    assert f"line 3 names {name!r}, which is outside the folder: refused." in refused(root)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("file,label",), "a header and at least one row"),
        (("file", "1.png"), "line 1 must name two or more columns"),
        (("file,label,label", "1.png,a,a"), "line 1 must name two or more columns, each once"),
        (("file,label", "1.png,a,b"), "line 2 has 3 fields, the header has 2"),
        (("file,label", "1.png,a", "2.png,"), "line 3 has no label in the column 'label'"),
        (("file,label", ",a"), "line 2 names no file"),
        (("file,label", ".,a"), "line 2 names no file"),
        (("file,label", f"{'a' * 300}.png,a"), "1 of 1 files are not there: aaa"),
        (("number,label", f"{'a' * 300},b"), "no column names the files"),
        (("file,label", "1.png,|", "2.png,|"), "no image has a label"),
        (("file,label", "1.png,a", "2.png,a"), "only one class, 'a'"),
        (("number,label", "1,a", "2,b"), "no column names the files. Call it 'file'. Found: 'number, label'"),
        (("file,label", '1.png,"a', "2.png,b"), "cannot be read"),
        (("file,label", "1.png,a\0"), "NUL"),
    ],
)
def test_wrong_tables(tmp_path, lines, said):
    assert said in refused(table(files(tmp_path, "1.png", "2.png"), *lines))


def test_a_table_in_another_encoding(tmp_path):
    (tmp_path / "labels.csv").write_bytes("file,label\n1.png,Käfer\n".encode("latin-1"))
    assert "it is not UTF-8" in refused(files(tmp_path, "1.png"))
