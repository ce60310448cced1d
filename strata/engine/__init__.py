"""The run: epochs, batches, callbacks, history, checkpoints, resume. It drives a rule and knows no architecture."""

from strata.engine.callbacks import Callback, EarlyStopping
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

__all__ = [
    "Callback",
    "CheckpointWarning",
    "Checkpointing",
    "EarlyStopping",
    "History",
    "Progress",
    "Run",
    "best_checkpoint",
    "latest_checkpoint",
    "noting_preparation",
    "read_checkpoint",
    "train",
]
