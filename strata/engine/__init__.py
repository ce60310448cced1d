"""The run: epochs, batches, callbacks, history, checkpoints, resume. It drives a rule and knows no architecture."""

from strata.engine.callbacks import Callback, EarlyStopping, StopAfter
from strata.engine.checkpoint import (
    Checkpointing,
    CheckpointWarning,
    best_checkpoint,
    latest_checkpoint,
    read_checkpoint,
)
from strata.engine.history import History
from strata.engine.preparation import noting_preparation
from strata.engine.progress import Progress
from strata.engine.run import Run, train
from strata.engine.watching import watching

__all__ = [
    "Callback",
    "CheckpointWarning",
    "Checkpointing",
    "EarlyStopping",
    "History",
    "Progress",
    "Run",
    "StopAfter",
    "best_checkpoint",
    "latest_checkpoint",
    "noting_preparation",
    "read_checkpoint",
    "train",
    "watching",
]
