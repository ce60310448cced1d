"""Readers for the files people have, bundled sets, splits, audits and the encoder of tables.

Nothing here knows a model.
"""

from strata.data import _images, _tables, _toy  # noqa: F401 - they enter their sets in the registry
from strata.data.bundled import list_sets, load_set, register_set
from strata.data.dataset import Dataset, SetInfo
from strata.data.download import download
from strata.data.frames import as_frame
from strata.data.idx import read_idx, read_idx_pair
from strata.data.npz import read_npz
from strata.data.readers import read_table
from strata.data.sources import Batch, Batches, Source

__all__ = [
    "Batch",
    "Batches",
    "Dataset",
    "SetInfo",
    "Source",
    "as_frame",
    "download",
    "list_sets",
    "load_set",
    "read_idx",
    "read_idx_pair",
    "read_npz",
    "read_table",
    "register_set",
]
