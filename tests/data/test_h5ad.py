"""Files of single-cell data: read as AnnData reads them, refused where they are damaged, annotated without loss."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from strata.data import annotate_h5ad, read_h5ad
from strata.errors import DataError

COUNTS = sparse.csr_matrix(np.random.RandomState(0).poisson(0.6, (7, 5)).astype(np.float32))
CELLS, GENES = [f"cell{i}" for i in range(7)], [f"gene{i}" for i in range(5)]
BATCHES = np.array(list("abbacab"), dtype=object)
TEXT = h5py.string_dtype()


def write_matrix(file, name, matrix):
    if not sparse.issparse(matrix):
        file.create_dataset(name, data=matrix)
        return
    group = file.create_group(name)
    group.attrs["encoding-type"], group.attrs["encoding-version"] = f"{matrix.format}_matrix", "0.1.0"
    group.attrs["shape"] = np.array(matrix.shape)
    for part in ("data", "indices", "indptr"):
        group.create_dataset(part, data=getattr(matrix, part))


def write_file(path, X=COUNTS, *, layers=()):
    """Write the file that anndata 0.12 writes, part by part."""
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        if X is not None:
            write_matrix(file, "X", X)
        file.create_group("layers")
        for name, matrix in dict(layers).items():
            write_matrix(file, f"layers/{name}", matrix)
        for table, names in (("obs", CELLS), ("var", GENES)):
            group = file.create_group(table)
            group.attrs["_index"], group.attrs["encoding-type"] = "_index", "dataframe"
            group.create_dataset("_index", data=names, dtype=TEXT)
        obs = file["obs"]
        obs.attrs["column-order"] = np.array(["batch", "depth", "seen"], dtype=object)
        categories, codes = np.unique(BATCHES, return_inverse=True)
        obs.create_group("batch").create_dataset("codes", data=codes.astype(np.int8))
        obs["batch"].create_dataset("categories", data=categories, dtype=TEXT)
        obs.create_dataset("depth", data=np.arange(7.0))
        seen = obs.create_group("seen")
        seen.create_dataset("values", data=np.arange(7))
        seen.create_dataset("mask", data=np.arange(7) == 3)
        file.create_group("uns").create_dataset("note", data="kept")
    return path


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_it_is_read(tmp_path, form):
    X = COUNTS.toarray() if form == "dense" else COUNTS.asformat(form)
    table = read_h5ad(write_file(tmp_path / "a.h5ad", X), columns=["batch", "depth", "seen"])
    assert (table.X.toarray() if sparse.issparse(table.X) else table.X).tolist() == COUNTS.toarray().tolist()
    assert sparse.issparse(table.X) == (form != "dense")
    assert table.var_names.tolist() == GENES
    assert table.obs.index.tolist() == CELLS
    assert table.obs["batch"].tolist() == BATCHES.tolist()
    assert table.obs["depth"].tolist() == list(range(7))
    assert table.obs["seen"].tolist() == [0, 1, 2, None, 4, 5, 6]


def test_a_layer_is_read_in_its_place(tmp_path):
    path = write_file(tmp_path / "a.h5ad", COUNTS * 0.5, layers={"counts": COUNTS})
    table = read_h5ad(path, layer="counts")
    assert table.X is None
    assert (table.layers["counts"] != COUNTS).nnz == 0
    with pytest.raises(DataError, match=r"there is no layers/raw. It has the layers 'counts'\."):
        read_h5ad(path, layer="raw")


def spoil(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def put(name, values):
    def change(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values)
        file[name].attrs.update(attributes)

    return change


def link(kind):
    def change(file):
        del file["X"]
        file["X"] = h5py.ExternalLink("other.h5ad", "/X") if kind == "external" else h5py.SoftLink("/obs")

    return change


def huge(file):
    del file["obs/depth"]
    file.create_dataset("obs/depth", shape=(1 << 40,), dtype="f4", chunks=(1024,))


def wide(file):
    """Columns of 7 entries that say they are of a matrix with a billion billion rows."""
    del file["X"]
    write_matrix(file, "X", COUNTS.tocsc())
    file["X"].attrs["shape"] = np.array([1 << 60, 5])


def old(file):
    del file["obs"]
    file.create_dataset("obs", data=np.zeros(7, dtype=[("index", "i4")]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.__delitem__("X"), "there is no X. It has no layers"),
        (put("X/indptr", np.array([0, 3, 1, 5, 6, 7, 8, 15])), "indptr of X does not divide its"),
        (put("X/indptr", np.zeros(8, dtype=int)), "indptr of X does not divide its"),
        (put("X/indptr", COUNTS.indptr[:-1]), "indptr of X does not divide its"),
        (put("X/indptr", COUNTS.indptr.astype(float)), "no whole numbers"),
        (put("X/indices", COUNTS.indices + 1), "indices of X go beyond its 5 lines"),
        (put("X/indices", COUNTS.indices - 1), "indices of X go beyond its 5 lines"),
        (put("X/data", COUNTS.data[:-1]), r"X has \d+ numbers at \d+ places"),
        (put("X/data", COUNTS.data.astype("S3")), "X/data holds .*no numbers"),
        (lambda f: f["X"].attrs.__setitem__("encoding-type", "coo_matrix"), "stored as coo_matrix"),
        (lambda f: f["X"].attrs.__delitem__("shape"), "not a readable .h5ad file"),
        (lambda f: f["X"].attrs.__setitem__("shape", np.array([7, 6])), r"shape \(7, 6\), but there are 7 cells and 5"),
        (put("var/_index", np.arange(4)), "7 cells and 4 genes"),
        (lambda f: f["var"].__delitem__("_index"), "there is no var/_index"),
        (lambda f: f.__delitem__("obs"), "there is no obs"),
        (put("obs/batch/codes", np.array([0, 1, 1, 0, 3, 0, 1])), "codes beyond its 3 categories"),
        (put("obs/batch/codes", np.zeros((7, 1))), "obs/batch/codes is not an array of 1 axes"),
        (link("external"), "X is a link to somewhere else"),
        (link("soft"), "X is a link to somewhere else"),
        (put("X", np.zeros((7, 6))), r"shape \(7, 6\), but there are 7 cells and 5 genes"),
        (put("X", np.zeros(7)), r"shape \(7,\), but there are 7 cells and 5 genes"),
        (huge, "obs/depth states .* bytes, over 200 times the file"),
        (wide, r"shape \(1152921504606846976, 5\), but there are 7 cells"),
        (old, "obs is not a group, as in files before 2020"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, change, said):
    path = spoil(write_file(tmp_path / "a.h5ad"), change)
    with pytest.raises(DataError, match=f"a.h5ad: .*{said}"):
        read_h5ad(path, columns=["batch", "depth"])


def test_every_truncation_is_refused_or_read_the_same(tmp_path):
    path = write_file(tmp_path / "a.h5ad")
    data = path.read_bytes()
    for part in range(16):
        short = tmp_path / "short.h5ad"
        short.write_bytes(data[: len(data) * part // 16])
        with pytest.raises(DataError, match="short.h5ad: not a readable .h5ad file"):
            read_h5ad(short)


def test_flipped_bytes_never_end_in_another_error(tmp_path):
    path, random = write_file(tmp_path / "a.h5ad"), np.random.RandomState(0)
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    flipped = tmp_path / "flipped.h5ad"
    for place in random.randint(len(data), size=150):
        wrong = data.copy()
        wrong[place] ^= 1 << random.randint(8)
        flipped.write_bytes(wrong.tobytes())
        try:
            read_h5ad(flipped, columns=["batch"])
        except DataError:
            continue


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_h5ad(tmp_path / "none.h5ad")
    (tmp_path / "text.h5ad").write_text("cell,gene\n")
    with pytest.raises(DataError, match="text.h5ad: not a readable .h5ad file"):
        read_h5ad(tmp_path / "text.h5ad")
    with pytest.raises(DataError, match=r"obs has no column 'Batch'. It has: 'batch', 'depth', 'seen'"):
        read_h5ad(write_file(tmp_path / "a.h5ad"), columns=["Batch"])


def test_annotations_are_added_and_the_rest_stays(tmp_path):
    path = write_file(tmp_path / "a.h5ad")
    before = path.read_bytes()
    codes = np.random.RandomState(0).rand(7, 2).astype(np.float32)
    out = annotate_h5ad(path, tmp_path / "b.h5ad", obsm={"X_scvi": codes}, obs={"size": np.arange(7.0)})
    assert path.read_bytes() == before
    with h5py.File(out) as file:
        assert file["obsm/X_scvi"][...].tolist() == codes.tolist()
        assert dict(file["obsm/X_scvi"].attrs) == {"encoding-type": "array", "encoding-version": "0.2.0"}
        assert file["obsm"].attrs["encoding-type"] == "dict"
        assert list(file["obs"].attrs["column-order"]) == ["batch", "depth", "seen", "size"]
        assert file["uns/note"].asstr()[()] == "kept"
    assert read_h5ad(out, columns=["size", "batch"]).obs["size"].tolist() == list(range(7))
    assert (read_h5ad(out).X != COUNTS).nnz == 0
    again = annotate_h5ad(out, out, obsm={"X_scvi": codes + 1})
    with h5py.File(again) as file:
        assert file["obsm/X_scvi"][...].tolist() == (codes + 1).tolist()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5ad", "b.h5ad"]


def test_annotations_that_do_not_fit_leave_nothing_behind(tmp_path):
    path = write_file(tmp_path / "a.h5ad")
    for obsm in ({"X": np.zeros((6, 2))}, {"a/b": np.zeros((7, 2))}, {"": np.zeros((7, 2))}):
        with pytest.raises(DataError, match="must have one row for each of 7 cells"):
            annotate_h5ad(path, tmp_path / "b.h5ad", obsm=obsm)
    assert [each.name for each in tmp_path.iterdir()] == ["a.h5ad"]


def test_nothing_is_written_through_a_link(tmp_path):
    path, victim = write_file(tmp_path / "a.h5ad"), tmp_path / "victim.h5"
    with h5py.File(victim, "w") as file:
        file.create_group("mine").create_dataset("X_scvi", data=[1.0])
    before = victim.read_bytes()
    spoil(path, lambda file: file.__setitem__("obsm", h5py.ExternalLink("victim.h5", "/mine")))
    with pytest.raises(DataError, match="obsm is a link to somewhere else"):
        annotate_h5ad(path, tmp_path / "b.h5ad", obsm={"X_scvi": np.zeros((7, 2))})
    assert victim.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5ad", "victim.h5"]


def test_one_long_text_in_many_places_is_not_written_out(tmp_path, monkeypatch):
    path = spoil(write_file(tmp_path / "a.h5ad"), put("obs/_index", np.array(["x" * 60_000, *"abcdef"], dtype=object)))
    with h5py.File(path) as file:
        start, width = file["obs/_index"].id.get_offset(), 16  # of a reference to a text
    data = bytearray(path.read_bytes())
    data[start : start + 7 * width] = 7 * data[start : start + width]
    path.write_bytes(data)
    assert read_h5ad(path).obs.index.tolist() == ["x" * 60_000] * 7, "seven references to one text"
    monkeypatch.setattr("strata.data.h5ad._FREE_BYTES", 1 << 10)
    monkeypatch.setattr("strata.data.h5ad._MAX_RATIO", 2)
    with pytest.raises(DataError, match="obs/_index has texts of over .* letters, 2 times the file: refused"):
        read_h5ad(path)


@pytest.mark.filterwarnings("ignore")  # anndata's own, of what pandas and zarr will no longer have
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_anndata_agrees(tmp_path, form):
    anndata = pytest.importorskip("anndata")
    cells, genes = (pd.Index(names, dtype=object) for names in (CELLS, GENES))  # all versions write such text
    obs = pd.DataFrame({"batch": pd.Categorical(BATCHES)}, index=cells)
    obs["text"] = pd.Series(list("uvwxyzu"), index=cells, dtype=object)
    data = anndata.AnnData(COUNTS.asformat(form), obs=obs, var=pd.DataFrame(index=genes))
    data.layers["counts"] = COUNTS
    data.write_h5ad(tmp_path / "a.h5ad")
    for layer in (None, "counts"):
        table = read_h5ad(tmp_path / "a.h5ad", layer=layer, columns=["batch", "text"])
        assert ((table.X if layer is None else table.layers[layer]) != COUNTS).nnz == 0
    assert table.obs["batch"].tolist() == BATCHES.tolist()
    assert table.obs["text"].tolist() == obs["text"].tolist()
    codes = np.random.RandomState(0).rand(7, 2)
    back = anndata.read_h5ad(annotate_h5ad(tmp_path / "a.h5ad", tmp_path / "b.h5ad", obsm={"X_new": codes}))
    assert back.obsm["X_new"].tolist() == codes.tolist()
    assert back.obs_names.tolist() == CELLS
    assert {name: back.obs[name].tolist() for name in back.obs} == {name: obs[name].tolist() for name in obs}


def test_a_chunk_that_claims_far_more_than_its_array_is_refused(tmp_path, monkeypatch):
    path = write_file(tmp_path / "a.h5ad")
    with h5py.File(path, "r+") as file:
        del file["obs/depth"]
        how = {"chunks": (1 << 22,), "maxshape": (None,), "compression": "gzip"}
        file["obs"].create_dataset("depth", data=np.arange(7.0), **how)
    monkeypatch.setattr("strata.data.h5ad._FREE_BYTES", 1 << 20)
    with pytest.raises(DataError, match="obs/depth states 33554432 bytes"):
        read_h5ad(path, columns=["depth"])
