"""How threads share the parts of one piece of work, without ever waiting for one that has not begun.

The first thread posts a piece of work of some parts; whoever is awake takes the next part, the first thread too, which
at the end waits only for parts that were taken. A helper that the system keeps asleep therefore costs nothing, on a
busy machine either. What a part computes does not depend on who computes it, so the result is the same bit for bit.
"""

from typing import Any

import numpy as np

from strata.rules.compiled._jit import add_and_get, give_way, kernel, read, write

__all__ = ["GATE_SIZE", "close", "closed_gate", "finished", "next_part", "post", "wait_for_all", "wait_for_part"]

# The word holds the number of the piece of work, times 256, plus the next part; it is negative when all is over.
_WORD, _FINISHED, GATE_SIZE = 0, 8, 16
_STRIDE = 256
_OVER = -(1 << 62)
_SPINS = 2000  # looks at the word before the core is given away


def closed_gate() -> np.ndarray:
    """Return the memory of a gate at which no work is posted yet: a helper that is there first finds no part to take.

    Returns
    -------
    gate : ndarray of shape (GATE_SIZE,), int64
        For one call; a helper of the last call may still look at its own.
    """
    gate = np.zeros(GATE_SIZE, np.int64)
    gate[_WORD] = _STRIDE - 1
    return gate


@kernel
def post(gate: Any) -> None:
    """Offer the parts of a new piece of work; its description must have been written."""
    write(gate, _FINISHED, 0)
    write(gate, _WORD, (read(gate, _WORD) // _STRIDE + 1) * _STRIDE)


@kernel
def next_part(gate: Any, n_parts: int) -> int:
    """Take a part; ``n_parts`` or more when none is left, and negative when all is over."""
    word = read(gate, _WORD)
    if word < 0 or word % _STRIDE >= n_parts:
        return word if word < 0 else n_parts
    word = add_and_get(gate, _WORD, 1) - 1
    part: int = word if word < 0 else word % _STRIDE
    return part


@kernel
def wait_for_part(gate: Any, n_parts: int) -> int:
    """Take a part as soon as there is one; negative when all is over."""
    spins = 0
    while True:
        part = next_part(gate, n_parts)
        if part < n_parts:
            return part
        spins += 1
        if spins > _SPINS:
            give_way()
            spins = 0


@kernel
def finished(gate: Any) -> None:
    """Say that a part is done."""
    add_and_get(gate, _FINISHED, 1)


@kernel
def wait_for_all(gate: Any, n_parts: int) -> None:
    """Wait for the parts that others have taken."""
    spins = 0
    while read(gate, _FINISHED) < n_parts:
        spins += 1
        if spins > _SPINS:
            give_way()
            spins = 0


@kernel
def close(gate: Any) -> None:
    """Send the helpers away."""
    write(gate, _WORD, _OVER)
