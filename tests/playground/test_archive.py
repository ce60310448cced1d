"""A zip with a model is taken apart with every entry checked."""

import stat
import zipfile

import pytest

from strata.errors import ModelRefusedError
from strata.playground.archive import NAMES, pack_folder, unpack_folder


def made(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in entries:
            archive.writestr(name, body)
    return path


def test_round_trip(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    target.mkdir()
    for name in NAMES:
        (source / name).write_bytes(name.encode() * 7)
    (source / "other").write_text("is left out")
    (tmp_path / "x.zip").write_bytes(pack_folder(source))
    unpack_folder(tmp_path / "x.zip", target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {n: n.encode() * 7 for n in NAMES}


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("config.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("../config.json", "{}")], "no file of a model folder"),
        ([("/config.json", "{}")], "no file of a model folder"),
        ([("a/b/config.json", "{}")], "no file of a model folder"),
        ([("a\\..\\config.json", "{}")], "no file of a model folder"),
        ([("evil.py", "{}")], "no file of a model folder"),
        ([("a/config.json", "{}"), ("b/README.md", "")], "another folder"),
        ([(link(), "/etc/passwd")], "not a plain file"),
        ([("config.json", b"0" * (8 << 20))], "would take"),
        ([(f"x{i}", "") for i in range(50)], "50 entries"),
    ],
    ids=["parent", "absolute", "deep", "backslash", "name", "two folders", "link", "bomb", "many"],
)
def test_what_is_not_a_model_is_refused(tmp_path, entries, words):
    target = tmp_path / "inside"
    target.mkdir()
    with pytest.raises(ModelRefusedError, match=words):
        unpack_folder(made(tmp_path / "x.zip", entries), target)
    assert list(tmp_path.rglob("*")) == [target, tmp_path / "x.zip"] or sorted(
        path.name for path in tmp_path.rglob("*")
    ) == ["inside", "x.zip"]


def test_no_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(ModelRefusedError, match="not a readable zip"):
        unpack_folder(tmp_path / "x.zip", tmp_path)
