"""The writer of a run's checkpoint folder, locked while the run lasts."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from strata import __version__
from strata._files import (
    FolderLock,
    canonical_json,
    fsync_folder,
    read_json,
    sha256_of,
    sweep_temporary_files,
    temporary_name,
    write_json,
)
from strata._tensors import pack_state, write_tensors
from strata.engine._figures import larger_is_better
from strata.engine._folder import checkpoints_in, pointed
from strata.engine._state import copy_tree, environment
from strata.engine.checkpoint import (
    FORMAT,
    VERSION,
    Checkpointing,
    CheckpointWarning,
    read_checkpoint,
)
from strata.errors import CheckpointWriteError, ModelRefusedError, RunInterrupted

if TYPE_CHECKING:
    from types import TracebackType

    from strata.engine.run import Run
    from strata.rules.base import Rule

__all__ = ["Store"]

_TEMPORARY = re.compile(r"\.(step_\d{9,18}(\.\d{1,6})?|latest|best)\.(tmp|old)-\d{1,10}-[0-9a-f]{8}")


class Store:
    """The checkpoint folder of one run, locked while the run lasts.

    Parameters
    ----------
    config : Checkpointing
        Where and when to save.
    resume : bool
        Whether the checkpoints that are there belong to this run.
    """

    def __init__(self, config: Checkpointing, *, resume: bool) -> None:
        self.config = config
        self.folder = Path(config.folder)
        self.latest: Path | None = None
        self._resume = resume
        self._lock = FolderLock(self.folder, force=config.force)
        self._place: tuple[int, int, int] | None = None  # what the latest checkpoint holds
        self._saved_at = time.monotonic()
        self._best: tuple[float, str] | None = None

    # -- begin and end --------------------------------------------------------------------------------

    def __enter__(self) -> Store:
        try:
            self._lock.__enter__()
        except OSError as error:
            raise CheckpointWriteError(
                f"`folder` must be a folder that can be written. Received: folder={str(self.folder)!r} "
                f"({error.strerror or error}). Choose another one."
            ) from error
        try:
            self._tidy()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def _tidy(self) -> None:
        """Remove what killed processes left, and the former run if that is asked for."""
        sweep_temporary_files(self.folder)
        for entry in list(os.scandir(self.folder)):
            if _TEMPORARY.fullmatch(entry.name):  # the folder is ours: whoever wrote this is gone
                _remove(Path(entry.path))
        if self._resume:
            return
        there = checkpoints_in(self.folder)
        if there and not self.config.force:
            raise ValueError(
                f"`checkpoint` must name a folder without a run. Received: folder={str(self.folder)!r}, which holds "
                f"{there[-1].name}. Pass resume=True to go on from it, choose another folder, or pass "
                "Checkpointing(..., force=True) to remove it."
            )
        for name in ("latest", "best"):
            (self.folder / name).unlink(missing_ok=True)
        for checkpoint in there:
            _remove(checkpoint)

    # -- reading --------------------------------------------------------------------------------------

    def load(self, rule: Rule) -> dict[str, Any] | None:
        """Give the rule the state of the latest checkpoint and return the rest; None when there is none."""
        if not self._resume:
            return None
        checkpoint, sha256 = pointed(self.folder, "latest")
        if checkpoint is None:
            return None
        header, state = read_checkpoint(checkpoint, sha256=sha256)
        _give(rule, header, state, checkpoint)
        best, _ = pointed(self.folder, "best")
        if best is not None:
            value = read_json(self.folder / "best").get("value")
            self._best = None if value is None else (float(value), best.name)
        self.latest = checkpoint
        self._place = (state["epoch"], state["batch"], state["step"])
        return state

    # -- writing --------------------------------------------------------------------------------------

    def limit(self, step: int, size: int) -> int:
        """Return how many batches may be taken before the next checkpoint is due."""
        every = self.config.every_steps
        return size if every is None else min(size, every - step % every)

    def due(self, run: Run, *, epoch_over: bool) -> bool:
        """Say whether a checkpoint is to be written now."""
        config = self.config
        if config.every_steps is not None and run.step % config.every_steps == 0:
            return True
        if epoch_over and config.every_epochs is not None and run.epoch % config.every_epochs == 0:
            return True
        return config.every_seconds is not None and time.monotonic() - self._saved_at >= config.every_seconds

    def save(self, run: Run, state: dict[str, Any], *, final: bool) -> CheckpointWriteError | None:
        """Write a checkpoint; a failure is returned, and is a warning as long as there will be another try."""
        place = (state["epoch"], state["batch"], state["step"])
        if place == self._place:
            return None
        header = {"rule": run.rule.describe(), "environment": environment(run.rule)}
        try:
            self._write(header, state)
        except OSError as error:
            failure = self._failure(error, header, state)
            if not final:
                self._saved_at = time.monotonic()
                warnings.warn(f"{failure} Training goes on, and will try again.", CheckpointWarning, stacklevel=7)
            return failure
        self._place = place
        self._saved_at = time.monotonic()
        self._drop_old()
        return None

    def _write(self, header: dict[str, Any], state: dict[str, Any]) -> None:
        tree, tensors = pack_state(state)
        target = self._free_name(state["step"])
        temporary = temporary_name(target)
        try:
            temporary.mkdir()
            digest = write_tensors(temporary / "tensors.safetensors", tensors)
            position = {name: state[name] for name in ("epoch", "batch", "step")}
            write_json(
                temporary / "state.json",
                {
                    "format": FORMAT,
                    "version": VERSION,
                    "strata": __version__,
                    **position,
                    **header,
                    "sha256": digest,
                    "state": tree,
                },
            )
            os.rename(temporary, target)
        except BaseException:
            _remove(temporary)
            raise
        fsync_folder(self.folder)
        pointer = {"checkpoint": target.name, "sha256": sha256_of(target / "state.json")}
        write_json(self.folder / "latest", pointer)
        self.latest = target
        self._note_best(state, pointer)

    def _free_name(self, step: int) -> Path:
        """Return a name that is not taken; an existing checkpoint is never written into."""
        target = self.folder / f"step_{step:09d}"
        again = 0
        while target.exists():
            again += 1
            target = self.folder / f"step_{step:09d}.{again}"
        return target

    def _note_best(self, state: dict[str, Any], pointer: dict[str, Any]) -> None:
        figures = state["figures"]
        name = self.config.monitor or ("val_loss" if "val_loss" in figures else "loss")
        value = figures.get(name)
        if state["batch"] or value is None or value != value:
            return
        if self._best is not None:
            better = value > self._best[0] if larger_is_better(name) else value < self._best[0]
            if not better:
                return
        write_json(self.folder / "best", {**pointer, "figure": name, "value": value, "epoch": state["epoch"]})
        self._best = (value, pointer["checkpoint"])

    def _drop_old(self) -> None:
        kept = {self.latest.name if self.latest else "", self._best[1] if self._best else ""}
        for checkpoint in checkpoints_in(self.folder)[: -self.config.keep]:
            if checkpoint.name not in kept:
                doomed = checkpoint.with_name(temporary_name(checkpoint).name.replace(".tmp-", ".old-"))
                with suppress(OSError):
                    os.rename(checkpoint, doomed)  # at once: half a checkpoint never stands under its name
                _remove(doomed)

    # -- what to say ----------------------------------------------------------------------------------

    def _failure(self, error: OSError, header: dict[str, Any], state: dict[str, Any]) -> CheckpointWriteError:
        why = {
            errno.ENOSPC: "the disk is full",
            errno.EDQUOT: "the quota is used up",
            errno.EFBIG: "the file would be larger than is allowed",
            errno.EROFS: "the file system is read-only",
            errno.EACCES: "permission is denied",
        }.get(error.errno or 0, error.strerror or str(error))
        latest = "There is no earlier checkpoint" if self.latest is None else f"The last good one is {self.latest}"

        def retry() -> None:
            with FolderLock(self.folder, force=self.config.force):
                try:
                    self._write(header, state)
                except OSError as again:
                    raise self._failure(again, header, state) from again

        return CheckpointWriteError(
            f"The checkpoint after step {state['step']} could not be written to {self.folder}: {why}. {latest}; the "
            "state is kept in memory. Make room and try again: the `retry()` of this error writes it.",
            retry=retry,
        )

    def interrupted(self, run: Run, number: int, failure: CheckpointWriteError | None) -> RunInterrupted:
        """Make the exception that says where the state is and how to go on."""
        place = f"after epoch {run.epoch}" + (f" and {run.batch} batches of the next" if run.batch else "")
        what = f"Stopped by {signal.Signals(number).name} {place} (step {run.step})."
        saved = str(failure) if failure is not None else f"Saved in {self.latest or self.folder}."
        how = f"Go on with resume=True and the same folder {str(self.folder)!r} (command: --resume)."
        return RunInterrupted(f"{what} {saved} {how}", signal_number=number)


def _give(rule: Rule, header: dict[str, Any], state: dict[str, Any], checkpoint: Path) -> None:
    """Load the state into the rule, if it is of such a rule; say what is different."""
    ours, theirs = rule.describe(), header.get("rule")
    if not isinstance(theirs, dict) or theirs.get("rule") != ours.get("rule"):
        kind = theirs.get("rule") if isinstance(theirs, dict) else theirs
        raise ModelRefusedError(
            f"{checkpoint} is of another rule: it holds {kind!r}, and this run has {ours.get('rule')!r}."
        )
    _compare_shapes(rule.state_dict(), state["rule"], checkpoint)
    before = copy_tree(rule.state_dict())
    try:
        rule.load_state_dict(copy_tree(state["rule"]))
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        with suppress(Exception):
            rule.load_state_dict(before)
        raise ModelRefusedError(f"{checkpoint} does not fit this run: {str(error)[:300]}") from error
    pairs = [(name, theirs.get(name), ours.get(name)) for name in sorted({*ours, *theirs}) if name != "rule"]
    here, there = environment(rule), header.get("environment")
    there = there if isinstance(there, dict) else {}
    pairs += [(name, there.get(name), here[name]) for name in here]
    different = [
        f"{name}={new!r} (was {old!r})" for name, old, new in pairs if canonical_json(old) != canonical_json(new)
    ]
    if different:
        warnings.warn(
            f"The run of {checkpoint} goes on with {', '.join(different)}. "
            "Its weights can differ from those of an uninterrupted run.",
            CheckpointWarning,
            stacklevel=5,
        )


def _compare_shapes(ours: dict[str, Any], theirs: dict[str, Any], checkpoint: Path) -> None:
    for name in ours.keys() | theirs.keys():
        mine, saved = ours.get(name), theirs.get(name)
        if name not in ours or name not in theirs:
            where = "the checkpoint" if name in theirs else "this run"
            raise ModelRefusedError(f"{checkpoint} is of another network: only {where} has {name!r}.")
        if isinstance(mine, Tensor) and (not isinstance(saved, Tensor) or mine.shape != saved.shape):
            shape = list(saved.shape) if isinstance(saved, Tensor) else type(saved).__name__
            raise ModelRefusedError(
                f"{checkpoint} is of another network: {name!r} has shape {shape}, this run needs {list(mine.shape)}."
            )


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
