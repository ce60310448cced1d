"""Files that are whole or absent: atomic writes, strict JSON, digests, locks and the cache folder.

A file is written beside its target under a temporary name, forced to the disk, and renamed; the folder
is forced to the disk as well. A killed process leaves at most a temporary file, which
:func:`sweep_temporary_files` removes once its process is gone.
"""

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from strata.errors import RunLockedError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "FolderLock",
    "atomic_write",
    "cache_home",
    "canonical_json",
    "fsync_folder",
    "is_temporary_name",
    "parse_json",
    "read_json",
    "sha256_of",
    "sweep_temporary_files",
    "temporary_name",
    "write_json",
]

MAX_JSON_BYTES = 16 << 20
MAX_JSON_DEPTH = 100
_TEMPORARY = re.compile(r"\..+\.tmp-(\d{1,10})-[0-9a-f]{8}")


def temporary_name(path: str | Path) -> Path:
    """Return a fresh hidden name beside ``path`` that :func:`sweep_temporary_files` recognises.

    >>> temporary_name("/data/model.json").name.startswith(".model.json.tmp-")
    True
    """
    path = Path(path)
    return path.with_name(f".{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def is_temporary_name(name: str) -> bool:
    """Return whether a name is one that :func:`temporary_name` gives.

    >>> is_temporary_name(".model.json.tmp-12-0123abcd"), is_temporary_name("notes.tmp")
    (True, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


def fsync_folder(folder: str | Path) -> None:
    """Force the names in a folder to the disk, so that a rename survives a power cut."""
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: str | Path, *, mode: Literal["wb", "w"] = "wb") -> Iterator[IO[Any]]:
    r"""Open a file that appears under its name only when it is complete.

    Parameters
    ----------
    path : str or Path
        Target; an existing file is replaced. The folder must exist.
    mode : {"wb", "w"}, default="wb"
        Bytes, or UTF-8 text with ``\n`` line ends.

    Yields
    ------
    file : IO
        The open temporary file. Whatever is raised inside the block, the target stays as it was and
        the temporary file is removed.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = temporary_name(path)
    text: dict[str, Any] = {} if mode == "wb" else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(temporary, mode.replace("w", "x"), **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # no harmless probe there: keep the file
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sweep_temporary_files(folder: str | Path) -> list[str]:
    """Remove the temporary files and folders whose process has ended; return their names.

    Parameters
    ----------
    folder : str or Path
        Folder to clean, not its subfolders. A folder that is absent holds nothing to clean.

    Returns
    -------
    removed : list of str
        Names that are gone now.
    """
    removed = []
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in entries:
        match = _TEMPORARY.fullmatch(entry.name)
        if match is None or _is_alive(int(match[1])):
            continue
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
            removed.append(entry.name)
    return sorted(removed)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    """Return ``value`` with non-finite floats as None and NumPy scalars as Python's."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):  # NumPy and torch, scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, NaN and infinity as null.

    >>> canonical_json({"b": float("nan"), "a": (1, 2)})
    '{"a":[1,2],"b":null}'
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_json(path: str | Path, value: object) -> None:
    """Write a value as JSON, atomically; NaN and infinity become ``null``.

    Parameters
    ----------
    path : str or Path
        Target file.
    value : object
        Dicts, sequences, strings, numbers, None; NumPy scalars and arrays become numbers and lists.

    Raises
    ------
    TypeError
        If something in ``value`` has no JSON form; nothing is written.
    """
    text = json.dumps(_plain(value), indent=2, allow_nan=False)
    with atomic_write(path, mode="w") as file:
        file.write(text + "\n")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} is given twice")
    return keys


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _check_tree(root: object, max_depth: int) -> None:
    pending: list[tuple[object, int]] = [(root, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > max_depth + 1:
            raise ValueError(f"nested deeper than {max_depth} levels")
        if isinstance(value, dict):
            pending.extend((item, depth + 1) for item in value.values())
            pending.extend((key, depth) for key in value)
        elif isinstance(value, list):
            pending.extend((item, depth + 1) for item in value)
        elif isinstance(value, str):
            value.encode()  # a lone surrogate cannot be printed or written: UnicodeEncodeError is a ValueError


def parse_json(text: str | bytes, *, name: str = "the text", max_depth: int = MAX_JSON_DEPTH) -> Any:
    """Parse JSON strictly.

    Parameters
    ----------
    text : str or bytes
        JSON, UTF-8 when bytes.
    name : str, default="the text"
        What to call it in an error message.
    max_depth : int, default=100
        Deepest nesting of lists and objects.

    Returns
    -------
    value : dict, list, str, int, float, bool or None
        The value.

    Raises
    ------
    ValueError
        If it is not JSON, or holds NaN, infinity, a number beyond float64, a key twice, a lone
        surrogate, or deeper nesting.

    Examples
    --------
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
        ...
    ValueError: the text is not valid JSON: the key 'a' is given twice.
    """
    try:
        source = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(source, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
        _check_tree(value, max_depth)
    except RecursionError:
        raise ValueError(f"{name} is not valid JSON: nested deeper than {max_depth} levels.") from None
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON: {str(error).rstrip('.')}.") from None
    return value


def read_json(path: str | Path, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file strictly, as :func:`parse_json`.

    Parameters
    ----------
    path : str or Path
        File to read.
    max_bytes : int, default=16 MiB
        Largest file that is read.

    Returns
    -------
    value : dict, list, str, int, float, bool or None
        The value.

    Raises
    ------
    ValueError
        If the file is larger than ``max_bytes`` or is not strict JSON; the message names the file.
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{path} is larger than {max_bytes} bytes.")
    return parse_json(data, name=str(path))


class FolderLock:
    """Let one process at a time write to a folder.

    Parameters
    ----------
    folder : str or Path
        Folder to lock; it is created when absent. The lock is the file ``.lock`` in it, held with
        ``flock``: it ends with the process, however the process ends.
    force : bool, default=False
        Take the folder over from a process that holds it.

    Raises
    ------
    RunLockedError
        On entering, when another run holds the folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, FolderLock(folder):
    ...     (Path(folder) / ".lock").exists()
    True
    """

    def __init__(self, folder: str | Path, *, force: bool = False) -> None:
        self.folder = Path(folder)
        self.force = force
        self._path = self.folder / ".lock"
        self._descriptor: int | None = None

    def __enter__(self) -> "FolderLock":
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.force:
            self._path.unlink(missing_ok=True)
        while self._descriptor is None:
            self._descriptor = self._take()
        os.truncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())
        return self

    def _take(self) -> int | None:
        """Lock the file; None when it was removed between opening and locking."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(self._path)):
                return descriptor
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise RunLockedError(
                f"{self.folder} is being written by process {holder}. "
                "Wait for it, choose another folder, or take it over with force=True (--force)."
            ) from None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is None:
            return
        with suppress(OSError):  # another process may have taken the folder over by force
            if os.path.samestat(os.fstat(self._descriptor), os.stat(self._path)):
                self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = None


def cache_home() -> Path:
    """Return the user's cache folder for strata; it may not exist yet.

    ``$STRATA_HOME``, else ``$XDG_CACHE_HOME/strata``, else ``~/.cache/strata``.
    """
    if home := os.environ.get("STRATA_HOME"):
        return Path(home).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "strata"
    return Path.home() / ".cache" / "strata"
