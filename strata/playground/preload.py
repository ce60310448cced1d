"""What the fork server loads once: the library, and the kernels of a small network."""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from strata import estimators
from strata.playground.room import run_room

__all__ = ["run_room"]

torch.set_num_threads(1)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    estimators.MLPClassifier(
        (2,), "tanh", solver="sgd-framework", batch_size=2, max_iter=1, random_state=0, n_threads=1
    ).fit([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
