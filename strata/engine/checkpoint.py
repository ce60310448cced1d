"""Checkpoints: folders that are whole or absent, and the pointer to the latest of them.

::

    folder/.lock                           held while a run writes here
    folder/latest                          {"checkpoint": "step_000000120", "sha256": of its state.json}
    folder/best                            the same, of the best epoch
    folder/step_000000120/state.json       where the run stood, as plain values
    folder/step_000000120/tensors.safetensors

A checkpoint is written under a temporary name, forced to the disk, renamed, and only then pointed to.
Nothing in it is ever unpickled, and no text in it is used as a path.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strata import __version__
from strata._files import read_json, sha256_of
from strata._tensors import read_tensors, unpack_state
from strata.engine._folder import pointed
from strata.errors import ModelRefusedError

__all__ = ["CheckpointWarning", "Checkpointing", "best_checkpoint", "latest_checkpoint", "read_checkpoint"]

FORMAT = "strata-checkpoint"
VERSION = 1
_PARTS = frozenset(
    {"epoch", "batch", "step", "rate", "seconds", "figures", "sums", "history", "rule", "source", "callbacks"}
    | {"generators"}
)


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or was written in another environment than the one that resumes."""


@dataclass(frozen=True)
class Checkpointing:
    """Say where and when a run saves its state.

    Parameters
    ----------
    folder : str or Path
        Where the checkpoints lie; created when absent. One run at a time may write to it.
    every_epochs : int or None, default=1
        Save after every so many epochs; None does not.
    every_steps : int or None, default=None
        Save after every so many batches as well, in the middle of an epoch.
    every_seconds : float or None, default=None
        Save when so many seconds have passed since the last time, after the current call of the rule.
    keep : int, default=2
        How many of the latest checkpoints to keep; the one of the best epoch is kept besides.
    monitor : str or None, default=None
        Figure that says which epoch is best; None takes ``"val_loss"`` where there is one, else ``"loss"``. Larger is
        better for names that hold score, acc, auc, r2 or f1.
    force : bool, default=False
        Take the folder over from a run that holds it, and, without ``resume``, remove the checkpoints that are there.

    Raises
    ------
    TypeError
        If a number is not one.
    ValueError
        If a number is below 1, or ``every_seconds`` not above 0.

    See Also
    --------
    strata.engine.train : Takes it as ``checkpoint``.

    Notes
    -----
    A checkpoint is also written when the run ends or is interrupted. Each is forced to the disk, which costs some
    tens of milliseconds: for epochs shorter than that, ``every_epochs=None, every_seconds=30`` is the better choice.

    Examples
    --------
    >>> Checkpointing("runs/first", every_seconds=60).keep
    2
    """

    folder: str | Path
    every_epochs: int | None = 1
    every_steps: int | None = None
    every_seconds: float | None = None
    keep: int = 2
    monitor: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        for name in ("every_epochs", "every_steps", "keep"):
            value = getattr(self, name)
            if value is None and name != "keep":
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}.")
            if value < 1:
                raise ValueError(f"`{name}` must be 1 or more. Received: {name}={value}.")
        seconds = self.every_seconds
        if seconds is not None:
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
                raise TypeError(f"`every_seconds` must be a number. Received: every_seconds={seconds!r}.")
            if not seconds > 0:
                raise ValueError(f"`every_seconds` must be above 0. Received: every_seconds={seconds!r}.")


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the folder of the latest checkpoint of a run.

    Parameters
    ----------
    folder : str or Path
        Folder of the run, as in :class:`Checkpointing`.

    Returns
    -------
    checkpoint : Path or None
        None where there is no checkpoint.

    Raises
    ------
    ModelRefusedError
        If the pointer to it is damaged.

    Examples
    --------
    >>> latest_checkpoint("/no/such/folder") is None
    True
    """
    return pointed(Path(folder), "latest")[0]


def best_checkpoint(folder: str | Path) -> Path | None:
    """Return the folder of the checkpoint of the best epoch.

    Parameters
    ----------
    folder : str or Path
        Folder of the run, as in :class:`Checkpointing`.

    Returns
    -------
    checkpoint : Path or None
        None where no checkpoint was written at the end of an epoch.

    Raises
    ------
    ModelRefusedError
        If the pointer to it is damaged.

    Examples
    --------
    >>> best_checkpoint("/no/such/folder") is None
    True
    """
    return pointed(Path(folder), "best")[0]


def read_checkpoint(checkpoint: str | Path, *, sha256: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint, after checking that it is whole.

    Parameters
    ----------
    checkpoint : str or Path
        Folder of one checkpoint, as :func:`latest_checkpoint` gives it.
    sha256 : str, optional
        Digest that its ``state.json`` must have.

    Returns
    -------
    header : dict
        Plain values: ``"epoch"``, ``"batch"``, ``"step"``, ``"rule"`` (its description), ``"environment"``.
    state : dict
        What the engine needs to go on; ``state["rule"]`` is the state of the rule.

    Raises
    ------
    ModelRefusedError
        If a file is missing, damaged, foreign or of a newer format.
    """
    checkpoint = Path(checkpoint)
    way_out = f"Remove {checkpoint} and {checkpoint.parent / 'latest'} to go on from the checkpoint before it."
    try:
        if sha256 is not None and sha256_of(checkpoint / "state.json") != sha256:
            raise ModelRefusedError(f"{checkpoint / 'state.json'} was changed or damaged. {way_out}")
        header = read_json(checkpoint / "state.json")
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ModelRefusedError(f"{checkpoint} is not a checkpoint of strata. {way_out}")
        if header.get("version") != VERSION:
            raise ModelRefusedError(
                f"{checkpoint} has format version {header.get('version')!r} of strata {header.get('strata')!r}; this "
                f"is strata {__version__}, which reads version {VERSION}. Upgrade strata to resume it."
            )
        digest = header.get("sha256")
        if not isinstance(digest, str):
            raise ModelRefusedError(f"{checkpoint / 'state.json'} has no digest of the tensors. {way_out}")
        tensors = read_tensors(checkpoint / "tensors.safetensors", sha256=digest, allow_nonfinite=True)
        state = unpack_state(header.pop("state", None), tensors)
    except ModelRefusedError as error:
        text = str(error)
        raise ModelRefusedError(text if way_out in text or "Upgrade" in text else f"{text} {way_out}") from None
    except (ValueError, FileNotFoundError, NotADirectoryError) as error:
        raise ModelRefusedError(f"{checkpoint} is damaged: {error} {way_out}") from None
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise ModelRefusedError(f"{checkpoint} is damaged: parts of the state are missing. {way_out}")
    return header, state
