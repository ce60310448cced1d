"""Every exception that strata defines, in one place.

::

    ValueError
    ├── DataError              the data cannot be used                     (command: exit 3)
    └── ModelRefusedError      a saved model or checkpoint is refused      (exit 4)
    ArithmeticError, ValueError
    └── NonFiniteError         a loss or a weight became NaN or infinite   (exit 1)
    OSError
    └── CheckpointWriteError   the state of a run could not be saved       (exit 1)
    MemoryError
    └── TrainingMemoryError    a batch does not fit                        (exit 1)
    RuntimeError
    ├── RunLockedError         another run writes to the same folder       (exit 1)
    └── OfflineError           the work would need the network             (exit 5)
    ImportError
    └── MissingExtraError      an optional dependency is missing           (exit 5)
    KeyboardInterrupt
    └── RunInterrupted         a signal stopped the run, after it saved    (exit 130 or 143)

A wrong argument is a plain :class:`ValueError` or :class:`TypeError`, and an estimator that was not
fitted raises scikit-learn's ``NotFittedError``.
"""

from collections.abc import Callable

__all__ = [
    "CheckpointWriteError",
    "DataError",
    "MissingExtraError",
    "ModelRefusedError",
    "NonFiniteError",
    "OfflineError",
    "RunInterrupted",
    "RunLockedError",
    "TrainingMemoryError",
]


class DataError(ValueError):
    """A file or table cannot be used; the message names the file and the place in it."""


class ModelRefusedError(ValueError):
    """A saved model or checkpoint is damaged, foreign, tampered with or of a newer format."""


class NonFiniteError(ArithmeticError, ValueError):
    """A loss, gradient or weight became NaN or infinite; a ``ValueError`` too, as scikit-learn raises.

    Parameters
    ----------
    message : str
        What became non-finite, and the way out.
    epoch : int
        Epoch, counted from 1, in which it was seen.
    batch : int
        Batch of that epoch, counted from 1.
    """

    def __init__(self, message: str, *, epoch: int, batch: int) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.batch = batch


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; the checkpoints before it are whole, and the state is still in memory.

    Parameters
    ----------
    message : str
        What failed, and the way out.
    retry : callable, optional
        Writes the same state again, from memory; returns None, or raises this error again.
    """

    def __init__(self, message: str, *, retry: Callable[[], None] | None = None) -> None:
        super().__init__(message)
        self.retry = retry


class TrainingMemoryError(MemoryError):
    """The device or the host has too little memory for one batch."""


class RunLockedError(RuntimeError):
    """Another process is writing to the same run folder."""


class OfflineError(RuntimeError):
    """The work needs the network, and the network was not asked for or is switched off."""


class MissingExtraError(ImportError):
    """An optional dependency is missing; the message gives the install command."""


class RunInterrupted(KeyboardInterrupt):
    """A signal stopped the run after its state was saved.

    Parameters
    ----------
    message : str
        Where the state was saved and how to go on.
    signal_number : int
        The signal that came: 2 (SIGINT) or 15 (SIGTERM).
    """

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
