"""Atomic files, strict JSON, the folder lock and the cache folder."""

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata._files import (
    FolderLock,
    atomic_write,
    cache_home,
    canonical_json,
    parse_json,
    read_json,
    sha256_of,
    sweep_temporary_files,
    write_json,
)
from strata.errors import RunLockedError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_atomic_write_replaces_a_file_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with atomic_write(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_write_keeps_the_old_file_whatever_is_raised(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with atomic_write(target, mode="w") as file:
            file.write("half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_atomic_write_on_a_full_disk_keeps_the_old_file(tmp_path):
    """Row 17, with a limit on the file size for the full disk."""
    (tmp_path / "a").write_bytes(b"old")
    code = """
import resource, signal, sys
from strata._files import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
try:
    with atomic_write(sys.argv[1]) as file:
        file.write(bytes(20000))
except OSError as error:
    print(type(error).__name__, error.errno)
"""
    done = run(code, tmp_path / "a")
    assert done.stdout == "OSError 27\n", done.stderr
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_atomic_write_in_an_absent_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "a"):
        pass


def test_a_killed_write_leaves_a_temporary_file_that_the_sweep_removes(tmp_path):
    code = """
import os, signal, sys
from strata._files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    run(code, tmp_path / "a")
    left = names(tmp_path)
    assert len(left) == 1 and left[0].startswith(".a.tmp-")
    mine = tmp_path / f".b.tmp-{os.getpid()}-00000000"
    mine.touch()
    (tmp_path / "mine.tmp-1").touch()
    dead_folder = tmp_path / left[0].replace(".a.", ".folder.")
    dead_folder.mkdir()
    (dead_folder / "x").touch()
    assert sweep_temporary_files(tmp_path) == sorted([left[0], dead_folder.name])
    assert names(tmp_path) == sorted([mine.name, "mine.tmp-1"])
    assert sweep_temporary_files(tmp_path / "none") == []


def test_sha256_of(tmp_path):
    data = np.random.default_rng(0).bytes(300_001)
    (tmp_path / "a").write_bytes(data)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_write_json_turns_nan_into_null_and_numpy_into_numbers(tmp_path):
    value = {"a": float("nan"), "b": [np.float32(0.5), np.int64(3), float("-inf")], "c": np.arange(2), "p": Path("x")}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert "NaN" not in text and "Infinity" not in text and text.endswith("\n")
    assert read_json(tmp_path / "a.json") == {"a": None, "b": [0.5, 3, None], "c": [0, 1], "p": "x"}


def test_write_json_of_an_object_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", [object()])
    assert read_json(tmp_path / "a.json") == [1]
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ("[NaN]", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e400]", "the number 1e400 is too large"),
        ("[" * 101 + "1" + "]" * 101, "nested deeper than 100 levels"),
        ("[" * 200_000, "nested deeper than 100 levels"),
        ("[" + "9" * 5000 + "]", "integer string conversion"),
        (b"\xff\xfe", "can't decode"),
        ('["\\ud800"]', "surrogates not allowed"),
        ("", "Expecting value"),
        ("{} x", "Extra data"),
    ],
)
def test_parse_json_is_strict(text, message):
    with pytest.raises(ValueError, match=f"^the text is not valid JSON: .*{message}"):
        parse_json(text)


def test_parse_json_takes_what_is_at_the_limit():
    assert parse_json("[" * 100 + "]" * 100)


def test_read_json_names_the_file_and_the_limit(tmp_path):
    path = tmp_path / "big.json"
    path.write_text('"' + "x" * 100 + '"')
    with pytest.raises(ValueError, match=r"big.json is larger than 100 bytes"):
        read_json(path, max_bytes=100)
    assert read_json(path, max_bytes=102) == "x" * 100
    path.write_text("{")
    with pytest.raises(ValueError, match=r"big.json is not valid JSON"):
        read_json(path)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60)))
def test_parse_json_raises_nothing_but_value_error(text):
    try:
        value = parse_json(text)
    except ValueError:
        return
    assert value == json.loads(text)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text(max_size=3), st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))))
def test_canonical_json_does_not_depend_on_order(value):
    other = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(other)
    assert parse_json(canonical_json(value)) == value


# -- the lock ----------------------------------------------------------------------------------------


def test_a_second_lock_is_refused_until_the_first_ends(tmp_path):
    folder = tmp_path / "run"
    message = rf"run is being written by process {os.getpid()}\. .*--force"
    with FolderLock(folder), pytest.raises(RunLockedError, match=message):
        FolderLock(folder).__enter__()
    assert names(folder) == []
    with FolderLock(folder):
        pass


def test_a_lock_can_be_taken_by_force_and_the_first_does_not_undo_it(tmp_path):
    first = FolderLock(tmp_path)
    first.__enter__()
    with FolderLock(tmp_path, force=True):
        first.__exit__(None, None, None)
        with pytest.raises(RunLockedError):
            FolderLock(tmp_path).__enter__()
    assert names(tmp_path) == []


def test_the_lock_ends_with_its_process(tmp_path):
    code = """
import sys, time
from strata._files import FolderLock
FolderLock(sys.argv[1]).__enter__()
print("held", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunLockedError, match=f"process {process.pid}"):
            FolderLock(tmp_path).__enter__()
        process.kill()
    with FolderLock(tmp_path):
        pass


def test_the_lock_opens_no_new_descriptors_when_refused(tmp_path):
    with FolderLock(tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(RunLockedError):
                FolderLock(tmp_path).__enter__()
        assert len(os.listdir("/proc/self/fd")) == before


def test_cache_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("STRATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_home() == Path.home() / ".cache" / "strata"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_home() == tmp_path / "xdg" / "strata"
    monkeypatch.setenv("STRATA_HOME", str(tmp_path / "own"))
    assert cache_home() == tmp_path / "own"
    assert not (tmp_path / "own").exists()


def test_deep_json_is_refused_quickly(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with pytest.raises(ValueError, match="nested deeper"):
        read_json(path)
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
