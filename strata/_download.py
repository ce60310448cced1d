"""Fetch published files: https only, bounded and checked by size and SHA-256, whole or absent."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from strata._files import atomic_write, sha256_of, sweep_temporary_files
from strata.errors import DataError, OfflineError

__all__ = ["RemoteFile", "fetch_files", "is_offline"]

_TIMEOUT = 30.0  # seconds without a byte
_SLOWEST = 2000.0  # bytes a second, on average, after the first minute
_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """One published file.

    Attributes
    ----------
    name : str
        Name in the cache folder.
    urls : tuple of str
        Where it can be had, tried in order.
    size : int
        Bytes.
    sha256 : str
        Digest, in hexadecimal, or its first digits where no more is published.
    exact : bool
        Whether the size is exact; otherwise up to 2 % more may come.
    """

    name: str
    urls: tuple[str, ...]
    size: int
    sha256: str
    exact: bool = True

    @property
    def limit(self) -> int:
        """Most bytes that are accepted."""
        return self.size if self.exact else self.size + self.size // 50


def is_offline(offline: bool | None) -> bool:
    """Say whether the network is off; where it was not said, ``STRATA_OFFLINE=1`` decides."""
    if offline is not None:
        return offline
    return os.environ.get("STRATA_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def fetch_files(
    what: str,
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    offline: bool | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> None:
    """Fetch into a folder the files that are not there yet.

    Raises ``OfflineError`` where one is missing and the network is off, ``DataError`` where what came is not the
    published file, and ``OSError`` where no address answers or the disk is full. Nothing is kept of a failure.
    """
    missing = [file for file in files if not _is_whole(folder / file.name, file)]
    if missing and is_offline(offline):
        raise OfflineError(
            f"{what} needs {missing[0].name} from the network, and offline is set. Put the file into {folder}, or "
            "allow the network."
        )
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_temporary_files(folder)
    for file in missing:
        _fetch(file, folder / file.name, on_bytes)


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size > file.limit or (file.exact and path.stat().st_size != file.size):
        return False
    return sha256_of(path).startswith(file.sha256)


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https addresses only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith("https://"):
            raise OSError(f"{req.full_url} redirects to {newurl[:80]}, which is not https: refused.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> Any:
    """Open an https address; replaced in tests."""
    if not url.startswith("https://"):
        raise OSError(f"{url} is not https: refused.")
    return urllib.request.build_opener(_HttpsOnly()).open(url, timeout=_TIMEOUT)


def _fetch(file: RemoteFile, path: Path, on_bytes: Callable[[int, int], None] | None) -> None:
    """Try each address in turn; a wrong digest counts as a failure of that address."""
    failures: list[Exception] = []
    for url in file.urls:
        try:
            with _open(url) as answer, atomic_write(path) as out:
                _copy(url, answer, out, file, on_bytes)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            failures.append(OSError(f"{url} could not be fetched: {getattr(error, 'reason', error)}. Try again."))
        except (DataError, OSError) as error:
            failures.append(error)
        else:
            return
    raise failures[0]


def _copy(url: str, answer: Any, out: IO[bytes], file: RemoteFile, on_bytes: Callable[[int, int], None] | None) -> None:
    """Copy the published number of bytes, and one more if there are more."""
    digest, done, begun = hashlib.sha256(), 0, time.monotonic()
    while done <= file.limit and (part := answer.read(min(_CHUNK, file.limit + 1 - done))):
        digest.update(part)
        out.write(part)
        done += len(part)
        seconds = time.monotonic() - begun
        if seconds > 60.0 and done < _SLOWEST * seconds:
            raise OSError(f"{url} is too slow: {done} bytes in {seconds:.0f} s. Try again later.")
        if on_bytes is not None:
            on_bytes(min(done, file.size), file.size)
    if done > file.limit or (file.exact and done < file.size):
        what = "more" if done > file.size else f"only {done}"
        raise DataError(f"{url}: {file.size} bytes were published, but {what} came. Nothing was kept; try again.")
    if not digest.hexdigest().startswith(file.sha256):
        raise DataError(
            f"{url}: the SHA-256 is {digest.hexdigest()}, published is {file.sha256}. Nothing was kept; try again."
        )
