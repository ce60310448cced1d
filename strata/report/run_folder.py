"""The folder that a run leaves: made for one run, locked while it is written, complete or resumable."""

import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

import strata
from strata._files import FolderLock, is_temporary_name, read_json, sweep_temporary_files, write_json
from strata.errors import ModelRefusedError, NonFiniteError

__all__ = ["RunFolder", "environment", "next_run_folder", "read_run_config"]

SCHEMA = "strata.run/1"
#: Everything that a run writes; only these are removed when a run is replaced.
CONTENTS = (
    "model",
    "checkpoints",
    "report.html",
    "report.json",
    "predictions.csv",
    "codes.csv",
    "history.csv",
    "cells.h5ad",
    "latent.csv",
    "config.json",
    "confusion.png",
    "residuals.png",
    "history.png",
)


def environment(more: Sequence[str] = ()) -> dict[str, Any]:
    """Return the versions and the machine that a result depends on.

    Parameters
    ----------
    more : sequence of str, default=()
        Further distributions whose versions matter.

    Returns
    -------
    environment : dict of str to object
        Versions of strata, Python and the libraries, the platform, the number of cores, and the commit
        of strata where it runs from a checkout.

    Examples
    --------
    >>> environment()["versions"]["strata"] == strata.__version__
    True
    """
    versions = {"strata": strata.__version__, "python": platform.python_version()}
    names = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "numba", "safetensors")
    for name in (*names, *more):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # installed in some other way, or an extra that is not there
            versions[name] = "unknown" if name in names else "not installed"
    return {
        "versions": versions,
        "commit": _commit(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
    }


def _commit() -> str | None:
    """Return the commit of the checkout that strata runs from, read without git."""
    folder = Path(strata.__file__).resolve().parents[1] / ".git"
    try:
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        loose = folder / head[5:]
        if loose.exists():
            return loose.read_text().strip()
        packed = (folder / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {head[5:]}")), None)
    except OSError:
        return None


def next_run_folder(stem: str, *, parent: str | Path = "runs") -> Path:
    """Return the first folder ``parent/stem-N`` that is not there.

    Parameters
    ----------
    stem : str
        What the run is of.
    parent : str or Path, default="runs"
        Folder of all runs.

    Returns
    -------
    folder : Path
        A name that is free; nothing is created.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in stem).strip(".-") or "run"
    number = 1
    while (Path(parent) / f"{safe}-{number}").exists():
        number += 1
    return Path(parent) / f"{safe}-{number}"


def read_run_config(folder: str | Path) -> dict[str, Any]:
    """Return the configuration of a run from its folder.

    Parameters
    ----------
    folder : str or Path
        Folder of a run, finished or not.

    Returns
    -------
    config : dict of str to object
        What ``config.json`` holds.

    Raises
    ------
    ModelRefusedError
        If the folder is not one of a run.
    """
    path = Path(folder) / "config.json"
    try:
        config = read_json(path)
    except FileNotFoundError:
        raise ModelRefusedError(f"{folder} is not the folder of a run: it has no config.json.") from None
    except NotADirectoryError:
        raise ModelRefusedError(f"{folder} is not the folder of a run: it is a file.") from None
    except ValueError as error:
        raise ModelRefusedError(f"{folder} is not the folder of a run. {error}") from None
    if not isinstance(config, dict) or config.get("schema") != SCHEMA:
        raise ModelRefusedError(f"{folder} is not the folder of a run: its config.json is something else.")
    return config


class RunFolder:
    """Hold a folder for one run, from before the first byte is written until the last.

    Parameters
    ----------
    folder : str or Path
        Where the run goes.
    force : bool, default=False
        Replace a run that is there, and take the folder over from a process that holds it.
    resume : bool, default=False
        Go on with the run that is there.

    Raises
    ------
    ValueError
        If something is in the folder and neither ``force`` nor ``resume`` says what to do with it, or
        if it is not a run.
    RunLockedError
        On entering, when another process writes to the folder.
    """

    def __init__(self, folder: str | Path, *, force: bool = False, resume: bool = False) -> None:
        self.path = Path(folder)
        self._force = force
        self._resume = resume
        self._made = self._made_parent = False
        self._lock = FolderLock(self.path, force=force)
        self._started = time.time()
        self.config: dict[str, Any] = {}
        self.check()

    def check(self) -> None:
        """Refuse a folder that this run must not touch; before anything is computed."""
        if not os.path.lexists(self.path):
            return
        if not self.path.is_dir():
            raise ValueError(f"`out` must be a folder. Received: out={str(self.path)!r}, which is a file.")
        names = {name for name in os.listdir(self.path) if name != ".lock" and not is_temporary_name(name)}
        if not names or self._resume:
            return
        if not self._force:
            raise ValueError(
                f"`out` must be a new or empty folder. Received: out={str(self.path)!r}, which holds a run or "
                "other files. Choose another name, go on with resume (--resume), or replace it with "
                "force=True (--force)."
            )
        if "config.json" not in names:
            raise ValueError(
                f"`out` must be the folder of a run to be replaced. Received: out={str(self.path)!r}, which "
                "holds something else."
            )
        try:
            read_run_config(self.path)
        except ModelRefusedError as error:
            raise ValueError(f"`out` must be the folder of a run to be replaced. {error}") from None

    def __enter__(self) -> "RunFolder":
        self._made = not self.path.exists()
        self._made_parent = not self.path.parent.exists()
        self._lock.__enter__()
        try:
            self.check()
            sweep_temporary_files(self.path)
            if not self._resume:
                self._clear()
        except BaseException:
            self._lock.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)
        if isinstance(error, NonFiniteError) and self.config:
            return  # config.json says what was trained: strata diagnose asks it why
        if error is not None and self._made and not self.has_state:
            shutil.rmtree(self.path, ignore_errors=True)
            if self._made_parent:
                with suppress(OSError):
                    self.path.parent.rmdir()

    def _clear(self) -> None:
        for name in CONTENTS:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def has_state(self) -> bool:
        """Whether there is anything to go on from, or a result to keep."""
        return (self.path / "report.json").exists() or (self.checkpoints / "latest").exists()

    def write_config(self, config: Mapping[str, Any], *, status: str) -> None:
        """Write ``config.json``.

        Parameters
        ----------
        config : mapping of str to object
            What the run does and on what.
        status : {"running", "done", "interrupted", "failed"}
            How far it is.
        """
        self.config = {
            "schema": SCHEMA,
            "status": status,
            **config,
            "environment": environment(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
        }
        write_json(self.path / "config.json", self.config)

    def set_status(self, status: str) -> None:
        """Change the status in ``config.json``.

        Parameters
        ----------
        status : {"running", "done", "interrupted", "failed"}
            How far the run is.
        """
        self.config["status"] = status
        write_json(self.path / "config.json", self.config)

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write ``report.json``.

        Parameters
        ----------
        report : mapping of str to object
            Figures of the run; NaN becomes null.
        """
        write_json(self.path / "report.json", dict(report))
