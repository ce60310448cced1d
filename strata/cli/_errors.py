"""What an exception means to the shell: one line and an exit code."""

import re

from strata.errors import (
    DataError,
    MissingExtraError,
    ModelRefusedError,
    OfflineError,
    RunInterrupted,
)

__all__ = ["EXIT_CODES", "TerminatedError", "exit_code_of", "one_line"]

#: Every exit code and what it says; shown by ``--help`` and written in the documentation.
EXIT_CODES = {
    0: "done",
    1: "the run failed (diverged, disk full, folder locked)",
    2: "wrong use of the command",
    3: "bad data",
    4: "model or checkpoint refused",
    5: "an optional package is missing, or the network is off",
    130: "stopped by Ctrl-C; what was learned is saved",
    143: "stopped by SIGTERM; what was learned is saved",
}


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came while there was nothing to save."""


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of the command for what was raised.

    Parameters
    ----------
    error : BaseException
        What a verb raised.

    Returns
    -------
    exit_code : int
        A key of :data:`EXIT_CODES`.

    Examples
    --------
    >>> exit_code_of(DataError("rows.csv: empty")), exit_code_of(ValueError("`seed` ...")), exit_code_of(OSError())
    (3, 2, 1)
    """
    if isinstance(error, RunInterrupted):
        return 128 + error.signal_number
    kinds: tuple[tuple[type[BaseException], int], ...] = (
        (TerminatedError, 143),
        (KeyboardInterrupt, 130),
        (DataError, 3),
        (ModelRefusedError, 4),
        (MissingExtraError, 5),
        (OfflineError, 5),
        (ModuleNotFoundError, 5),
        (OSError, 1),
        (ArithmeticError, 1),  # NonFiniteError is a ValueError too
        (ValueError, 2),
        (TypeError, 2),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), 1)


def one_line(error: BaseException) -> str:
    r"""Return the message of an exception on one line, with its kind when it says nothing else.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    message : str
        The message with line breaks folded to spaces and control characters shown as escapes.

    Examples
    --------
    >>> one_line(ValueError("two\n  lines"))
    'two lines'
    >>> one_line(OSError(28, "No space left on device", "runs/a/model"))
    'runs/a/model: No space left on device'
    """
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    elif isinstance(error, KeyError) and error.args:
        message = f"KeyError: {error.args[0]!r}"
    else:
        message = str(error)
    message = re.sub(r"\s*[\r\n]+\s*", " ", message).strip()
    message = "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in message)
    return message or type(error).__name__
