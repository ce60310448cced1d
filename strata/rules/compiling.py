"""When compiling a network pays: a function of sizes alone, so that the same run makes the same choice everywhere."""

from strata.rules._checks import check_number

__all__ = ["compile_pays"]

#: Multiply-adds of all forward passes of a run from which compiling surely saves more time than it takes. Measured on
#: 2026-11-21, AMD EPYC (Zen 3) at 2.4 GHz, 2 virtual cores, torch 2.15: a step of ResNet-20 with 128 rows (5.2e9
#: multiply-adds forward) took 0.61 s in channels-last order and 0.54 s compiled, for 35 to 60 s of compiling: even at
#: 4e12. Compiling LeNet-5 made it slower (15 to 24 ms); such networks stay below the threshold for 100 epochs of MNIST.
MACS_FOR_COMPILING = 8e12


def compile_pays(n_macs_per_row: float, n_rows: float) -> bool:
    """Say whether a training run is long enough for ``GradientDescent(compile=True)`` to save time.

    Parameters
    ----------
    n_macs_per_row : float
        Multiply-adds of one forward pass of one row, >= 0.
    n_rows : float
        Rows that the run learns from in all: rows of an epoch times epochs, >= 0.

    Returns
    -------
    pays : bool
        By a threshold that was measured once; never by a clock, so that a seed gives the same bits again.

    Raises
    ------
    ValueError
        If a number is negative or not finite.

    Examples
    --------
    >>> compile_pays(41e6, 10 * 50_000), compile_pays(0.4e6, 1_000)
    (True, False)
    """
    check_number("n_macs_per_row", n_macs_per_row, at_least=0)
    check_number("n_rows", n_rows, at_least=0)
    return n_macs_per_row * n_rows >= MACS_FOR_COMPILING
