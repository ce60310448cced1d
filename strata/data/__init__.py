"""Readers for the files people have, bundled sets, splits, audits and the encoder of tables.

Nothing here knows a model.
"""

import strata.data._images
import strata.data._tables
import strata.data._toy  # noqa: F401 - the three enter their sets in the registry
from strata.data.audit import AuditReport, Finding, audit
from strata.data.bundled import list_sets, load_set, register_set
from strata.data.dataset import Dataset, SetInfo
from strata.data.download import download
from strata.data.encoder import TableEncoder
from strata.data.formula import Formula, parse_formula
from strata.data.frames import as_frame
from strata.data.idx import read_idx, read_idx_pair
from strata.data.npz import read_npz
from strata.data.readers import read_table
from strata.data.resampling import ResampledSource
from strata.data.sources import ArraySource, Batch, Batches, IterableSource, Source, SparseSource
from strata.data.splits import Split, split_rows
from strata.data.tasks import infer_task

__all__ = [
    "ArraySource",
    "AuditReport",
    "Batch",
    "Batches",
    "Dataset",
    "Finding",
    "Formula",
    "IterableSource",
    "ResampledSource",
    "SetInfo",
    "Source",
    "SparseSource",
    "Split",
    "TableEncoder",
    "as_frame",
    "audit",
    "download",
    "infer_task",
    "list_sets",
    "load_set",
    "parse_formula",
    "read_idx",
    "read_idx_pair",
    "read_npz",
    "read_table",
    "register_set",
    "split_rows",
]
