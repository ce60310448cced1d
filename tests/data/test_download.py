"""Row 36: offline, wrong checksum, truncated, redirect to http, slow; the cache is never poisoned."""

import hashlib
import importlib
import io
import socket
import urllib.error
import urllib.request

import pytest

from strata._download import _HttpsOnly, _open
from strata.data import download
from strata.data import download as download_function
from strata.data.download import FILES, RemoteFile
from strata.errors import DataError, OfflineError

module = importlib.import_module("strata._download")
CONTENT = b"the published bytes" * 1000
FILE = RemoteFile("a.bin", ("https://one/a", "https://two/a"), len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setitem(FILES, "mnist", (FILE,))
    monkeypatch.delenv("STRATA_OFFLINE", raising=False)


def serve(monkeypatch, answers):
    asked = []

    def answer(url):
        asked.append(url)
        content = answers[url]
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr(module, "_open", answer)
    return asked


def test_a_file_is_fetched_once(tmp_path, monkeypatch):
    asked = serve(monkeypatch, {"https://one/a": CONTENT})
    seen = []
    folder = download("mnist", root=tmp_path, on_bytes=lambda done, total: seen.append((done, total)))
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    download_function("mnist", root=tmp_path)
    assert asked == ["https://one/a"]
    (folder / "a.bin").write_bytes(CONTENT[:-1] + b"x")
    download("mnist", root=tmp_path)
    assert len(asked) == 2
    assert (folder / "a.bin").read_bytes() == CONTENT


def test_the_second_address_is_tried(tmp_path, monkeypatch):
    asked = serve(monkeypatch, {"https://one/a": urllib.error.URLError("no route"), "https://two/a": CONTENT})
    download("mnist", root=tmp_path)
    assert asked == ["https://one/a", "https://two/a"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (CONTENT[:-1] + b"x", DataError, "https://one/a: the SHA-256 is .* published is"),
        (CONTENT[:100], DataError, "19000 bytes were published, but only 100 came"),
        (CONTENT + b"x", DataError, "19000 bytes were published, but more came"),
        (urllib.error.URLError("no route"), OSError, "https://one/a could not be fetched: no route"),
        (TimeoutError("timed out"), OSError, "could not be fetched: timed out"),
        (ConnectionResetError("reset"), OSError, "could not be fetched: reset"),
    ],
)
def test_failures_leave_nothing_and_a_retry_works(tmp_path, monkeypatch, content, error, message):
    serve(monkeypatch, {"https://one/a": content, "https://two/a": content})
    with pytest.raises(error, match=message):
        download("mnist", root=tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []
    serve(monkeypatch, {"https://one/a": CONTENT})
    assert (download("mnist", root=tmp_path) / "a.bin").read_bytes() == CONTENT


def test_a_slow_server_is_left(tmp_path, monkeypatch):
    clock = iter(range(0, 100_000, 61))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module, "_CHUNK", 100)
    serve(monkeypatch, {"https://one/a": CONTENT, "https://two/a": CONTENT})
    with pytest.raises(OSError, match="https://one/a is too slow: 100 bytes in 61 s"):
        download("mnist", root=tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_offline_opens_no_socket(tmp_path, monkeypatch, way):
    if way == "environment":
        monkeypatch.setenv("STRATA_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"'mnist' needs a.bin from the network, and offline is set"):
        download("mnist", root=tmp_path, offline=True if way == "argument" else None)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "a.bin").write_bytes(CONTENT)
    assert download("mnist", root=tmp_path, offline=True) == tmp_path / "mnist"


def test_redirects_stay_on_https():
    request = urllib.request.Request("https://one/a")
    handler = _HttpsOnly()
    with pytest.raises(OSError, match="redirects to http://evil/a, which is not https"):
        handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://evil/a")
    assert handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "https://b/a").full_url == "https://b/a"
    with pytest.raises(OSError, match="is not https"):
        _open("file:///etc/passwd")


def test_every_published_file_is_pinned():
    for files in FILES.values():
        for file in files:
            assert len(file.sha256) == 64
            assert all(url.startswith("https://") for url in file.urls)
    with pytest.raises(ValueError, match="Unknown downloadable data set 'mnst'. Did you mean 'mnist'"):
        download("mnst")


def test_the_digests_are_those_of_the_files(shared_data, monkeypatch):
    monkeypatch.undo()
    for name in ("mnist", "fashion_mnist"):
        assert download(name, root=shared_data, offline=True) == shared_data / name
