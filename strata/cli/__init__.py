"""The command ``strata``. Nothing heavy is loaded before a verb needs it."""

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after ``strata``; by default those of the process.

    Returns
    -------
    exit_code : int
        0 done; 1 the run failed; 2 wrong use; 3 bad data; 4 model or checkpoint refused; 5 an extra is
        missing or the network is off; 130 or 143 stopped by a signal.

    Examples
    --------
    >>> main(["models", "--jsno"])
    2
    """
    from strata.cli._app import run

    return run(argv)
