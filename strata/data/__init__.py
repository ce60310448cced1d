"""Readers for the files people have, bundled sets, splits, audits and the encoder of tables.

Nothing here knows a model.
"""

import strata.data._images
import strata.data._tables
import strata.data._toy  # noqa: F401 - the three enter their sets in the registry
from strata.data.audit import AuditReport, Finding, audit
from strata.data.augmentation import Augmentation, get_augmentation, list_augmentations, ten_crop
from strata.data.bundled import list_sets, load_set, register_set
from strata.data.corruption import Corruption, ReconstructionSource
from strata.data.counts import check_counts, log_moments, thin_counts, total_counts
from strata.data.dataset import Dataset, SetInfo
from strata.data.download import download
from strata.data.encoder import TableEncoder
from strata.data.formula import Formula, parse_formula
from strata.data.frames import as_frame
from strata.data.h5ad import CellTable, annotate_h5ad, read_h5ad
from strata.data.hamming import HammingIndex
from strata.data.idx import read_idx, read_idx_pair
from strata.data.image_files import ImageFiles, ImageProblem, read_image
from strata.data.image_folders import ImageSet, find_images
from strata.data.image_loading import LoadedImages, load_images
from strata.data.image_source import ImageSource
from strata.data.npz import read_npz
from strata.data.plane import PLANE_FEATURES, plane_features
from strata.data.readers import read_table
from strata.data.resampling import ResampledSource
from strata.data.sources import ArraySource, Batch, Batches, IterableSource, Source, SparseSource
from strata.data.splits import Split, split_rows
from strata.data.tasks import infer_task

__all__ = [
    "ArraySource",
    "AuditReport",
    "Augmentation",
    "Batch",
    "Batches",
    "CellTable",
    "Corruption",
    "Dataset",
    "Finding",
    "Formula",
    "HammingIndex",
    "ImageFiles",
    "ImageProblem",
    "ImageSet",
    "ImageSource",
    "IterableSource",
    "LoadedImages",
    "PLANE_FEATURES",
    "ReconstructionSource",
    "ResampledSource",
    "SetInfo",
    "Source",
    "SparseSource",
    "Split",
    "TableEncoder",
    "annotate_h5ad",
    "as_frame",
    "audit",
    "check_counts",
    "download",
    "find_images",
    "get_augmentation",
    "infer_task",
    "list_augmentations",
    "list_sets",
    "load_images",
    "load_set",
    "log_moments",
    "parse_formula",
    "plane_features",
    "read_h5ad",
    "read_idx",
    "read_idx_pair",
    "read_image",
    "read_npz",
    "read_table",
    "register_set",
    "split_rows",
    "ten_crop",
    "thin_counts",
    "total_counts",
]
