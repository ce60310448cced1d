"""What surrounds a run: the device, the folder's state, torch's switches."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

from strata.engine import Checkpointing
from strata.errors import ModelRefusedError
from strata.report.run_folder import RunFolder, read_run_config

__all__ = ["check_device", "check_same_data", "checkpointing", "determinism", "line_writer", "status_of"]

#: Seconds between two checkpoints where nothing else is said: each costs tens of milliseconds.
SAVE_SECONDS = 30.0


def check_device(device: str) -> None:
    """Refuse a device that is not there before anything is written."""
    there = ["auto", "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        there.append("mps")
    if device not in there:
        raise ValueError(
            f"`device` must be one that this machine has: {', '.join(there)}. Received: device={device!r}."
        )


def check_same_data(plan: Any, folder: RunFolder, *, resume: bool) -> None:
    """Refuse to go on with other data than the run began with."""
    if not resume or not (folder.path / "config.json").exists():
        return
    before = read_run_config(folder.path).get("data", {})
    if before.get("digest") != plan.problem.digest:
        raise ModelRefusedError(
            f"{folder.path} was begun with other data: the digest of {plan.problem.source} has changed. "
            "Give the same data, or begin a new run."
        )


def checkpointing(folder: RunFolder, save_every: Mapping[str, float] | None, *, force: bool) -> Checkpointing:
    """Return where and when the state of a run is saved."""
    when: dict[str, Any] = {"every_epochs": None, "every_seconds": SAVE_SECONDS}
    for name, value in (save_every or {}).items():
        if name not in ("epochs", "steps", "seconds"):
            raise ValueError(f"`save_every` takes 'epochs', 'steps' and 'seconds'. Received: {name!r}.")
        when[f"every_{name}"] = float(value) if name == "seconds" else int(value)
    return Checkpointing(folder.checkpoints, force=force, **when)


@contextmanager
def status_of(folder: RunFolder) -> Iterator[None]:
    """Write into the folder how the run ended."""
    try:
        yield
    except KeyboardInterrupt:  # RunInterrupted is one
        folder.set_status("interrupted")
        raise
    except Exception:
        folder.set_status("failed")
        raise
    folder.set_status("done")


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Refuse inside the block kernels of torch that may differ from run to run, if that is wanted."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def line_writer() -> Callable[[str], None]:
    """Return what writes a line to standard error; a stream that is closed meanwhile does not matter."""

    def say(text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    return say
