"""Names of the places in the vectors and tables that the kernels share."""

__all__ = [
    "ACTIVATE",
    "ALL_SQUARES",
    "CLIP_NORM",
    "CLIP_VALUE",
    "DIFFERENTIATE",
    "DROPOUT_SEED",
    "DROPOUT_STEP",
    "DROPPING",
    "EVALUATE",
    "FIRST_ROW",
    "FIRST_STEP",
    "GRADIENT",
    "HEAD_LOSS",
    "HELPERS",
    "KIND",
    "L1",
    "L2",
    "LARGEST",
    "LEARN",
    "LOSS_SUM",
    "MAX_NORM",
    "MET",
    "MODE",
    "MULTIPLY",
    "MULTIPLY_DENSE",
    "NARROW_BACK",
    "NARROW_FORWARD",
    "NARROW_GRADIENT",
    "N_PARTIAL",
    "N_ROWS",
    "N_SETTINGS",
    "N_SLOTS",
    "N_THREADS",
    "N_WHOLE",
    "PENALTY_SUM",
    "PERFORM",
    "PER_SAMPLE",
    "PHASE",
    "PROXIMAL",
    "RATE",
    "REPORT",
    "SEEN",
    "SHARE",
    "SLOPE",
    "SPARE",
    "SQUARES_SUM",
    "STEP",
    "THREAD_SIZE",
    "THREAD_START",
    "TIME",
    "TOPS",
    "UPDATE",
    "UPDATES",
]

# Where the address of each large piece of a step is, in the vector of addresses.
(
    ACTIVATE,
    SLOPE,
    MULTIPLY,
    MULTIPLY_DENSE,
    NARROW_FORWARD,
    NARROW_GRADIENT,
    NARROW_BACK,
    UPDATE,
    HEAD_LOSS,
    PERFORM,
) = range(10)

# The vector of whole numbers. N_THREADS is the number of parts that a batch and an update are divided into; each part
# has buffers of THREAD_SIZE elements from THREAD_START on, whoever computes it. HELPERS: whether others may be there.
(
    N_THREADS,
    THREAD_START,
    THREAD_SIZE,
    GRADIENT,
    SPARE,
    TOPS,
    FIRST_STEP,
    DROPOUT_SEED,
    DROPOUT_STEP,
    KIND,
    N_SLOTS,
    MODE,
    PROXIMAL,
    PER_SAMPLE,
    DROPPING,
    HELPERS,
    N_WHOLE,
) = range(17)

# The vector of settings. REPORT multiplies the loss of the targets in the figures (not in the gradient).
L1, L2, MAX_NORM, CLIP_NORM, CLIP_VALUE, REPORT, N_SETTINGS = range(7)

# What a call does: learn, compute the gradient, or only the loss. DROPPING says whether dropout acts.
LEARN, DIFFERENTIATE, EVALUATE = range(3)

# What each part has summed; the first part's row also holds what the update needs to know.
LOSS_SUM, PENALTY_SUM, SQUARES_SUM, LARGEST, RATE, SHARE, ALL_SQUARES, N_PARTIAL = range(8)

# How a call ended: batches looked at, updates made, whether the threshold was met.
SEEN, UPDATES, MET = range(3)

# The gate: words 0 and 8 are those of `sharing`; these describe the posted work.
PHASE, FIRST_ROW, N_ROWS, STEP, TIME = range(9, 14)
