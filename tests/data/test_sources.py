"""Batches: their order against scikit-learn's, their replay, and data larger than what is held in memory."""

import os

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.utils import shuffle as sklearn_shuffle

from strata.data.sources import ArraySource, Batch, IterableSource, SparseSource
from strata.engine import train
from strata.errors import DataError
from strata.rules.base import Rule


def rows_of(source, epoch, stop=10**6):
    return [batch.x[:, 0].tolist() for batch in source.epoch(epoch).take(0, stop)]


def numbered(n_rows=11, **options):
    x = np.arange(2.0 * n_rows).reshape(n_rows, 2)
    return ArraySource(x, batch_size=4, **options)


# -- order ---------------------------------------------------------------------------------------------


def test_the_order_is_scikit_learns_and_so_is_what_is_drawn():
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    ours.rand(5), theirs.rand(5)
    source = numbered(random_state=ours)
    order = np.arange(11)
    for epoch in range(4):
        order = sklearn_shuffle(order, random_state=theirs)
        assert np.array_equal(source.epoch(epoch).order, order)
        flat = [row for batch in rows_of(source, epoch) for row in batch]
        assert flat == (2.0 * order).tolist()
    assert ours.rand() == theirs.rand()


def test_without_shuffling_the_rows_come_as_they_lie():
    source = numbered(shuffle=False)
    assert rows_of(source, 0) == rows_of(source, 5) == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18, 20]]
    assert source.epoch(0).order.tolist() == list(range(11))
    assert (source.n_batches, source.n_rows) == (3, 11)


def test_drop_last_keeps_a_lonely_batch():
    assert rows_of(numbered(shuffle=False, drop_last=True), 0) == [[0, 2, 4, 6], [8, 10, 12, 14]]
    assert rows_of(numbered(3, shuffle=False, drop_last=True), 0) == [[0, 2, 4]]


def test_parts_of_an_epoch():
    batches = numbered(shuffle=False).epoch(0)
    assert [batch.x[0, 0].item() for batch in batches.take(1, 3)] == [8.0, 16.0]
    assert list(batches.take(3, 9)) == []


def test_epochs_can_be_asked_for_again():
    source = numbered(random_state=0)
    first = [rows_of(source, epoch) for epoch in range(4)]
    assert len({str(rows) for rows in first}) == 4
    assert [rows_of(source, epoch) for epoch in (3, 1, 1, 0, 2, 3)] == [first[i] for i in (3, 1, 1, 0, 2, 3)]
    held = numbered(random_state=0).epoch(0)
    assert [batch.x[:, 0].tolist() for batch in held.take(0, 3)] == first[0]


def test_batches_that_are_held_keep_their_order():
    source = numbered(random_state=0)
    held = source.epoch(0)
    expected = rows_of(source, 0)
    source.epoch(3)
    assert [batch.x[:, 0].tolist() for batch in held.take(0, 3)] == expected


def test_the_state_replays_the_order_elsewhere():
    generator = np.random.RandomState(5)
    source = numbered(random_state=generator)
    source.epoch(2)
    state = source.state_dict()
    other_generator = np.random.RandomState(99)
    other = numbered(random_state=other_generator)
    other.load_state_dict(state)
    assert rows_of(other, 2) == rows_of(source, 2)
    assert other_generator.rand() == generator.rand()
    assert rows_of(other, 1) == rows_of(source, 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (numbered(12), "Received: n_rows=12, the run had n_rows=11"),
        (numbered(shuffle=False), "Received: shuffle=False, the run had shuffle=True"),
        (numbered(drop_last=True), "Received: drop_last=True, the run had drop_last=False"),
        (ArraySource(np.ones((11, 2)), batch_size=4), "Received: fingerprint="),
        (ArraySource(np.arange(22.0).reshape(11, 2), np.ones(11), batch_size=4), "Received: fingerprint="),
        (IterableSource(lambda epoch: [], batch_size=4), "Received: source='IterableSource'"),
    ],
)
def test_the_state_of_other_data_is_refused(other, message):
    with pytest.raises(ValueError, match=f"`source` must give the batches of the interrupted run. {message}"):
        other.load_state_dict(numbered(random_state=0).state_dict())


# -- what x, y and weights may be ----------------------------------------------------------------------


def test_targets_and_weights_stay_with_their_rows():
    x = np.arange(11.0)[:, None]
    y = torch.arange(11) * 10
    weight = np.arange(11, dtype=np.float32) * 100
    source = ArraySource(x, y, weight, batch_size=4, random_state=1)
    for batch in source.epoch(0).take(0, 3):
        assert torch.equal(batch.y, (batch.x[:, 0] * 10).long())
        assert torch.equal(batch.sample_weight, (batch.x[:, 0] * 100).float())
        assert (batch.x.dtype, batch.y.dtype, batch.sample_weight.dtype) == (torch.float64, torch.int64, torch.float32)
    assert [part.dtype for part in source.arrays] == [np.float64, np.int64, np.float32]


def test_arrays_are_not_copied():
    x, y = np.zeros((5, 2)), torch.zeros(5, 1)
    source = ArraySource(x, y, batch_size=2)
    assert np.shares_memory(source.arrays[0], x)
    y[3] = 7.0
    assert source.arrays[1][3] == 7.0
    assert source.arrays[2] is None


def variants(tmp_path):
    x = np.random.RandomState(0).randn(9, 3).astype(np.float32)
    on_disk = np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="w+", shape=(9, 3))
    on_disk[:] = x
    on_disk.flush()
    fortran_disk = np.memmap(tmp_path / "f.bin", dtype=np.float32, mode="w+", shape=(9, 3), order="F")
    fortran_disk[:] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    return x, {
        "fortran": np.asfortranarray(x),
        "strided": np.repeat(x, 2, axis=0)[::2],
        "reversed": x[::-1].copy()[::-1],
        "read-only": read_only,
        "big-endian": x.astype(">f4"),
        "memmap r": np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r", shape=(9, 3)),
        "memmap c": np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="c", shape=(9, 3)),
        "memmap r+": np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r+", shape=(9, 3)),
        "memmap fortran": fortran_disk,
        "tensor": torch.from_numpy(x),
        "tensor with gradient": torch.from_numpy(x.copy()).requires_grad_(),
    }


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_kind_of_array_gives_the_same_batches(tmp_path, shuffle):
    x, kinds = variants(tmp_path)
    expected = list(ArraySource(x, batch_size=4, shuffle=shuffle, random_state=0).epoch(0).take(0, 3))
    for name, kind in kinds.items():
        source = ArraySource(kind, batch_size=4, shuffle=shuffle, random_state=0)
        for ours, theirs in zip(source.epoch(0).take(0, 3), expected, strict=True):
            assert torch.equal(ours.x, theirs.x), name
            assert not ours.x.requires_grad
            ours.x.clone().add_(1.0)
        contiguous = name not in ("big-endian", "memmap fortran")
        assert (source.arrays is not None) == contiguous, name
        if contiguous:
            assert source.arrays[0].flags.c_contiguous
            assert np.array_equal(source.arrays[0], x)


@pytest.mark.parametrize("dtype", [np.float16, np.bool_, np.uint8, np.int32])
def test_other_numbers(dtype):
    x = np.array([[0], [1], [1]], dtype=dtype)
    batch = next(ArraySource(x, batch_size=3, shuffle=False).epoch(0).take(0, 1))
    assert batch.x.numpy().dtype == dtype
    assert batch.x.tolist() == x.tolist()


def test_bfloat16_is_learned_from_but_not_an_array():
    source = ArraySource(torch.ones(3, 1, dtype=torch.bfloat16), batch_size=2, random_state=0)
    assert source.arrays is None
    assert [batch.x.dtype for batch in source.epoch(0).take(0, 2)] == [torch.bfloat16] * 2
    assert source.state_dict()["fingerprint"] == source.state_dict()["fingerprint"] > 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": [[1.0]]}, TypeError, "`x` must be an ndarray or a Tensor. Received: list."),
        ({"x": np.array(1.0)}, ValueError, "`x` must have one row per sample. Received: shape ()."),
        ({"x": np.zeros((0, 2))}, ValueError, "`x` must have at least one row. Received: 0 rows."),
        ({"x": np.array([["a"]])}, ValueError, "`x` must be numeric. Received: dtype <U1. Encode it first."),
        ({"x": np.array([[1j]])}, ValueError, "`x` must be numeric. Received: dtype complex128. Encode it first."),
        (
            {"x": np.zeros((3, 1)), "y": np.zeros(2)},
            ValueError,
            "`y` must have as many rows as `x`. Received: 2 rows, `x` has 3.",
        ),
        (
            {"x": np.zeros((3, 1)), "sample_weight": np.zeros(4)},
            ValueError,
            "`sample_weight` must have as many rows as `x`. Received: 4 rows, `x` has 3.",
        ),
        (
            {"x": np.zeros((3, 1)), "batch_size": 0},
            ValueError,
            "`batch_size` must be 1 or more. Received: batch_size=0.",
        ),
        (
            {"x": np.zeros((3, 1)), "batch_size": 2.0},
            TypeError,
            "`batch_size` must be an integer. Received: batch_size=2.0.",
        ),
    ],
)
def test_what_is_refused(arguments, error, message):
    with pytest.raises(error) as caught:
        ArraySource(**{"batch_size": 2, **arguments})
    assert str(caught.value) == message


# -- sparse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [csr_array, csr_matrix, coo_array])
def test_a_sparse_source_gives_the_batches_of_the_dense_one(kind):
    x = np.random.RandomState(0).binomial(1, 0.2, (23, 6)) * np.arange(1.0, 7.0)
    y = np.arange(23.0)[:, None]
    dense = ArraySource(x, y, batch_size=5, random_state=2)
    sparse = SparseSource(kind(x), y, batch_size=5, random_state=2)
    assert sparse.n_batches == 5
    for epoch in range(2):
        batches = sparse.epoch(epoch)
        assert batches.arrays is None
        for ours, theirs in zip(batches.take(0, 5), dense.epoch(epoch).take(0, 5), strict=True):
            assert torch.equal(ours.x, theirs.x)
            assert torch.equal(ours.y, theirs.y)
    other = SparseSource(kind(x), y, batch_size=5, random_state=9)
    other.load_state_dict(sparse.state_dict())
    assert rows_of(other, 1) == rows_of(sparse, 1)


def test_a_sparse_source_of_something_dense():
    with pytest.raises(TypeError, match="`x` must be a SciPy sparse matrix. Received: ndarray. Use ArraySource"):
        SparseSource(np.zeros((2, 2)), batch_size=1)


# -- streams -------------------------------------------------------------------------------------------


def counting(epoch):
    for number in range(4):
        yield np.full((3, 1), 100.0 * epoch + number), np.full(3, number)


def test_a_stream_is_cut_into_batches():
    source = IterableSource(counting, batch_size=2)
    assert rows_of(source, 0) == [[0, 0], [0], [1, 1], [1], [2, 2], [2], [3, 3], [3]]
    assert rows_of(source, 1)[0] == [100, 100]
    batches = source.epoch(0)
    assert (batches.n_batches, batches.order, batches.arrays) == (None, None, None)


def test_a_stream_is_taken_up_anywhere():
    source = IterableSource(counting, batch_size=2)
    batches = source.epoch(0)
    whole = rows_of(source, 0)
    take = lambda start, stop: [batch.x[:, 0].tolist() for batch in batches.take(start, stop)]  # noqa: E731
    assert take(0, 2) == whole[:2]
    assert take(2, 3) == whole[2:3]
    assert take(5, 7) == whole[5:7]
    assert take(1, 4) == whole[1:4]  # back: the stream is started again
    assert take(4, 99) == whole[4:]
    assert take(99, 100) == []


def test_a_stream_is_read_no_further_than_asked():
    read = []

    def endless(epoch):
        number = 0
        while True:
            read.append(number)
            yield (np.full((2, 1), number),)
            number += 1

    source = IterableSource(endless, batch_size=2, n_batches=3)
    assert len(list(source.epoch(0).take(0, 99))) == 3
    assert read == [0, 1, 2]


@pytest.mark.parametrize(
    "item", [Batch(torch.ones(2, 1)), (torch.ones(2, 1),), np.ones((2, 1)), [np.ones((2, 1)), None]]
)
def test_items_of_a_stream(item):
    batch = next(IterableSource(lambda epoch: [item], batch_size=5).epoch(0).take(0, 1))
    assert (batch.x.tolist(), batch.y, batch.sample_weight) == ([[1.0], [1.0]], None, None)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((), "item 2 of epoch 1 must be (x,), (x, y) or (x, y, sample_weight). Received: 0 parts."),
        (([1.0],), "`x` in item 2 of epoch 1 must be an ndarray or a Tensor. Received: list."),
        ((np.ones((2, 1)), np.ones(3)), "`y` in item 2 of epoch 1 must have one row per sample. Received: shape (3,)."),
        ((np.array(["a"]),), "`x` in item 2 of epoch 1 must be numeric. Received: dtype <U1."),
        ((None,), "`x` in item 2 of epoch 1 must be an ndarray or a Tensor. Received: NoneType."),
        ((np.array(1.0),), "`x` in item 2 of epoch 1 must have one row per sample. Received: shape ()."),
    ],
)
def test_bad_items_of_a_stream(item, message):
    source = IterableSource(lambda epoch: [(np.ones((2, 1)), np.ones(2)), item], batch_size=5)
    with pytest.raises(DataError) as caught:
        list(source.epoch(0).take(0, 9))
    assert str(caught.value) == message


def test_what_is_no_stream():
    with pytest.raises(TypeError, match="`factory` must be a function of the epoch.*Received: list. Wrap"):
        IterableSource([1, 2], batch_size=1)
    with pytest.raises(ValueError, match="`n_batches` must be 1 or more, or None. Received: n_batches=0."):
        IterableSource(counting, batch_size=1, n_batches=0)


# -- larger than what is held --------------------------------------------------------------------------


class MeanRule(Rule):
    """Keep a running mean of the inputs: all of them have to be read."""

    batches_per_call = 8

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))

    def step(self, batch):
        self.total += batch.x.sum(dtype=torch.float64)
        return {"loss": self.total.clone()}

    def evaluate(self, batch):
        return {"loss": self.total.clone()}

    def forward(self, x):
        return x


def peak_rss_mib():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs the peak memory that Linux keeps")
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_memory_map_is_never_all_in_memory(tmp_path, shuffle):
    """400 MiB on disk (a sparse file), learned with less than half of it resident at any time."""
    n_rows, n_columns = 100 * 1024, 1024
    x = np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="w+", shape=(n_rows, n_columns))
    x[::1000, 0] = 1.0
    x.flush()
    del x
    on_disk = np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r", shape=(n_rows, n_columns))
    source = ArraySource(on_disk, batch_size=512, shuffle=shuffle, random_state=0)
    rule = MeanRule()
    try:
        reset_peak()
    except OSError:
        pytest.skip("the peak memory cannot be reset here")
    before = peak_rss_mib()
    run = train(rule, source, max_epochs=1)
    grown = peak_rss_mib() - before
    assert run.step == 200
    assert float(rule.total) == 103.0
    assert grown < 180, f"{grown:.0f} MiB"


def test_a_stream_is_never_all_in_memory():
    """200 MiB go by; one item of 1 MiB is held."""
    psutil = pytest.importorskip("psutil")
    peak = []

    def stream(epoch):
        for number in range(200):
            if number in (20, 199):
                peak.append(psutil.Process().memory_info().rss)
            yield (np.full((1024, 256), float(number), dtype=np.float32),)

    rule = MeanRule()
    run = train(rule, IterableSource(stream, batch_size=512), max_epochs=1)
    assert run.step == 400
    assert float(rule.total) == 199 * 200 / 2 * 1024 * 256
    assert peak[1] - peak[0] < 20 << 20
