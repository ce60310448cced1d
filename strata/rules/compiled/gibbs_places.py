"""Where the numbers and the arrays of compiled contrastive divergence are."""

from typing import Any, NamedTuple

__all__ = [
    "AT_HIDDEN", "AT_VISIBLE", "AVERAGE", "BINARY", "BLOCK", "BLOCK_COUNT", "CHAINS", "CHAIN_WIDTH",
    "CHUNK_ROWS", "COLUMNS", "COST", "DATA_ENERGY", "DATA_SUM", "DECAY", "DOWN", "DRAW", "DRAWS", "DRAW_ALL",
    "DRAW_HIDDEN", "DRAW_NONE", "ERROR", "FIRST", "GAUSSIAN", "HELPERS", "KEEP", "KIND",
    "LIST_ROWS", "LOAD", "MODEL_ENERGY", "MODEL_SUM", "MOMENTUM", "MOST_FILLED", "Memory", "NEGATIVE", "NEXT",
    "N_HIDDEN", "N_PARTS", "N_SETTINGS", "N_SUMS", "N_VISIBLE", "N_WHOLE", "PANELS_A_PART", "PANEL_VECTORS",
    "PHASE", "RATE", "RECTIFIED", "ROWS", "STEPS", "TARGET", "UP", "UPDATE", "UP_FROM", "UP_TO", "WIDTH",
]  # fmt: skip

#: Vectors of hidden units that are summed in registers at a time.
PANEL_VECTORS = 8
#: Rows of a batch that the update takes at a time, so that a panel of their hidden units stays in the first cache.
CHUNK_ROWS = 128

BINARY, GAUSSIAN, RECTIFIED = range(3)
DRAW_ALL, DRAW_HIDDEN, DRAW_NONE = range(3)

# The vector of whole numbers.
(
    N_VISIBLE,
    N_HIDDEN,
    WIDTH,  # of a row of weights and of hidden units
    COLUMNS,  # of a row of `visible`: the rows of the batch, then the chains
    CHAIN_WIDTH,  # of a row of `chains`
    BLOCK,  # visible units of a part
    BLOCK_COUNT,
    PANELS_A_PART,
    N_PARTS,
    LIST_ROWS,  # rows for which there is room in the lists
    KIND,
    DRAWS,
    CHAINS,  # persistent chains; 0: they begin at the data
    STEPS,
    HELPERS,
    AVERAGE,
    N_WHOLE,
) = range(17)

# The vector of settings.
MOMENTUM, DECAY, TARGET, COST, KEEP, N_SETTINGS = range(6)

# The gate: places 0 and 8 are those of `sharing`, the others describe the posted work.
PHASE, FIRST, ROWS, NEGATIVE, AT_VISIBLE, AT_HIDDEN, DRAW = 1, 2, 3, 4, 5, 6, 7
UP_FROM, UP_TO, NEXT = 9, 10, 11

LOAD, DOWN, UP, UPDATE = range(4)

# What each part has summed, and in the first row what the update needs.
DATA_ENERGY, MODEL_ENERGY, ERROR, DATA_SUM, MODEL_SUM, RATE, N_SUMS = range(7)

MOST_FILLED = 0.45  # of a block: above this share of values that are not 0, it is taken as a whole


class Memory(NamedTuple):
    """All arrays of a machine and of a batch; flat, padded, and zero at first.

    Attributes
    ----------
    weight, velocity : ndarray
        A row of ``WIDTH`` for each visible unit, and the momentum's last change of it.
    visible_bias, hidden_bias, visible_velocity, hidden_velocity : ndarray
        The biases and their last changes.
    visible : ndarray
        The transposed batch: a row of ``COLUMNS`` for each visible unit, with the data first and then the chains.
    hidden : ndarray
        Hidden units: a row of ``WIDTH`` for each row of the data and for each chain.
    chains : ndarray
        Drawn hidden units of the chains: a row of ``CHAIN_WIDTH`` for each hidden unit.
    activity : ndarray
        Running mean of each hidden unit's probability, for the target of sparsity.
    change : ndarray
        Sums of the hidden units over the data, then over the chains.
    uniform, turned : ndarray
        Uniform numbers of a batch in the order drawn, and those of the visible units transposed.
    drawn : ndarray
        Hidden units of one row as they are drawn.
    filled : ndarray of int64
        Values that are not 0 in each block: of the data, of the chains.
    unit_places, unit_values, unit_counts : ndarray
        Rows, values and number of what is not 0 in each visible unit.
    row_places, row_values, row_counts : ndarray
        Visible units, values and number of what is not 0 in each row of a block.
    chunk_starts, chunk_counts : ndarray of int64
        The part of each visible unit's list that lies in the current ``CHUNK_ROWS`` rows.
    sums : ndarray of shape (N_PARTS, 8)
        What each part has summed, by ``DATA_ENERGY`` and its companions.
    whole : ndarray of int64
        The whole numbers, by ``N_VISIBLE`` and its companions.
    settings : ndarray
        The settings, by ``MOMENTUM`` and its companions.
    generator, spare : ndarray of uint32
        State of the Mersenne Twister, and room in which the next one is made.
    """

    weight: Any
    velocity: Any
    visible_bias: Any
    hidden_bias: Any
    visible_velocity: Any
    hidden_velocity: Any
    visible: Any
    hidden: Any
    chains: Any
    activity: Any
    change: Any
    uniform: Any
    turned: Any
    drawn: Any
    filled: Any
    unit_places: Any
    unit_values: Any
    unit_counts: Any
    row_places: Any
    row_values: Any
    row_counts: Any
    chunk_starts: Any
    chunk_counts: Any
    sums: Any
    whole: Any
    settings: Any
    generator: Any
    spare: Any
