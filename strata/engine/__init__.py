"""The run: epochs, batches, callbacks, history, checkpoints, resume. It drives a rule and knows no architecture."""

from strata.engine.callbacks import Callback, EarlyStopping
from strata.engine.checkpoint import Checkpointing
from strata.engine.history import History
from strata.engine.run import Run, train

__all__ = ["Callback", "Checkpointing", "EarlyStopping", "History", "Run", "train"]
