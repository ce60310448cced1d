"""Data sets by name: the playground's golden values, and the published counts."""

import hashlib
import io
import tarfile

import numpy as np
import pytest

from strata.data import list_sets, load_set, register_set
from strata.data._images import CIFAR10_CLASSES, read_cifar10
from strata.data._toy import GATES, gaussian_bumps, spiral_points
from strata.errors import DataError

READY = [entry for entry in list_sets() if not entry.downloadable]


@pytest.mark.parametrize("info", READY, ids=lambda info: info.name)
def test_every_set_is_what_its_entry_says(info):
    data = load_set(info.name)
    assert data.X.shape == (info.n_samples, info.n_features)
    assert data.y.shape == (info.n_samples,)
    assert len(data.feature_names) == info.n_features == len(set(data.feature_names))
    assert data.task == info.task
    if info.n_classes is not None:
        assert len(np.unique(data.y)) == info.n_classes
    frame = data.frame()
    assert frame.columns.tolist() == [*data.feature_names, data.target_name]
    np.testing.assert_array_equal(frame[data.target_name], data.y)


def test_the_list_is_complete():
    names = {entry.name for entry in list_sets()}
    wanted = {"xor", "circles", "spiral", "gaussians", "plane", "iris", "wine", "breast_cancer", "diabetes", "digits"}
    assert names >= wanted | {"infert", "mnist", "fashion_mnist", "cifar10"} | {f"gate-{gate}" for gate in GATES}


def test_gates():
    for name, rule in {
        "and": lambda a, b: a and b,
        "xor": lambda a, b: a != b,
        "implies": lambda a, b: not a or b,
    }.items():
        data = load_set(f"gate-{name}")
        assert [int(rule(a, b)) for a, b in data.X.to_numpy()] == data.y.tolist()
    noisy = load_set("gate-or", n_samples=40, noise=0.1)
    assert noisy.X.shape == (40, 2)
    assert np.abs(noisy.X.to_numpy() - np.rint(noisy.X.to_numpy())).max() > 0


def test_golden_values_of_the_playground():
    # tensorflow/playground, dataset.ts, worked by hand (canon: generative, section 18)
    golden = [(0, 0), (0.4783542905, -1.1548494156), (-1.7677669530, 1.7677669530), (3.4645482469, -1.4350628714)]
    np.testing.assert_allclose(spiral_points(4, turn=0.0), golden, atol=5e-11)
    np.testing.assert_allclose(spiral_points(4, turn=np.pi), -np.array(golden), atol=5e-11)
    spiral = load_set("spiral", n_samples=8)
    np.testing.assert_allclose(spiral.X.to_numpy()[:4], golden, atol=5e-11)
    assert spiral.y.tolist() == [1] * 4 + [-1] * 4
    points = np.array([[0.0, 2.5], [1.0, 2.5], [-4.0, -2.0], [2.0, 0.0]])
    assert gaussian_bumps(points).tolist() == [-1.0, -0.5, -0.75, 0.0]
    plane = load_set("plane")
    np.testing.assert_allclose(plane.y, plane.X.sum(axis=1) / 10)


def test_shapes_of_the_plane_sets():
    circles = load_set("circles")
    radius = np.hypot(*circles.X.to_numpy().T)
    assert radius[:250].max() < 2.5
    assert 3.5 <= radius[250:].min() <= radius.max() <= 5.0
    assert circles.y.tolist() == [1] * 250 + [-1] * 250
    xor = load_set("xor").X.to_numpy()
    assert np.abs(xor).min() >= 0.3
    np.testing.assert_array_equal(np.sign(xor.prod(axis=1)), load_set("xor").y)
    for noise, variance in ((0.0, 0.5), (0.5, 4.0)):
        cloud = load_set("gaussians", n_samples=20_000, noise=noise)
        spread = (cloud.X.to_numpy() - 2.0 * cloud.y[:, None]).var()
        assert spread == pytest.approx(variance, rel=0.03)


def test_noise_of_circles_moves_labels_only():
    quiet, loud = load_set("circles", random_state=3), load_set("circles", noise=0.5, random_state=3)
    np.testing.assert_array_equal(quiet.X, loud.X)
    assert (quiet.y != loud.y).any()


def test_seeds():
    a, b, c = (load_set("xor", random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.X, b.X)
    assert not np.array_equal(a.X, c.X)


def test_infert_is_the_file_of_r():
    data = load_set("infert")
    assert data.y.sum() == 83
    assert data.X["pooled.stratum"].nunique() == 63
    assert data.X["education"].value_counts().to_dict() == {"6-11yrs": 120, "12+ yrs": 116, "0-5yrs": 12}


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"Unknown data set 'irs'. Did you mean 'iris'\?"):
        load_set("irs")
    with pytest.raises(ValueError, match="`n_samples` and `noise` apply to generated sets; 'iris' is fixed"):
        load_set("iris", noise=0.1)
    with pytest.raises(ValueError, match="`path` applies to sets that are downloaded"):
        load_set("iris", path="x")
    with pytest.raises(ValueError, match=r"`noise` must be in \[0, 0.5\]. Received: noise=0.7"):
        load_set("xor", noise=0.7)
    with pytest.raises(ValueError, match="`n_samples` must be an integer of at least 2. Received: n_samples=1.5"):
        load_set("xor", n_samples=1.5)
    with pytest.raises(ValueError, match="registered already, in strata.data._tables"):
        register_set(next(entry for entry in list_sets() if entry.name == "iris"))


def test_absent_files_name_both_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("STRATA_HOME", str(tmp_path))
    with pytest.raises(
        DataError, match=r"Give their folder with path=.*download\('mnist'\) \(command: strata data fetch"
    ):
        load_set("mnist")
    with pytest.raises(DataError, match="neither train-images-idx3-ubyte.gz nor"):
        load_set("mnist", path=tmp_path)
    with pytest.raises(DataError, match="neither cifar-10-binary"):
        load_set("cifar10", path=tmp_path)


def test_fashion_mnist(shared_data):
    data = load_set("fashion_mnist", path=shared_data / "fashion_mnist")
    assert data.X.shape == (60_000, 784)
    assert data.X_test.shape == (10_000, 784)
    assert np.unique(data.y, return_counts=True)[1].tolist() == [6000] * 10
    assert data.y[0] == "Ankle boot"
    assert data.image_shape == (28, 28)


@pytest.fixture(scope="module")
def cifar_parts():
    """Six batches of the right size, whose pixels say where they belong."""
    parts = {}
    for number, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        records = np.zeros((10_000, 3073), np.uint8)
        records[:, 0] = np.arange(10_000) % 10
        records[:, 1] = number
        records[:, 3072] = np.arange(10_000) % 251
        parts[name] = records.tobytes()
    return parts


def pack(path, parts, prefix="cifar-10-batches-bin/"):
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in parts.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_cifar10_from_archive_and_folder(tmp_path, cifar_parts):
    pack(tmp_path / "cifar-10-binary.tar.gz", {"readme.html": b"x", **cifar_parts})
    data = load_set("cifar10", path=tmp_path)
    assert data.X.shape == (50_000, 3072)
    assert data.X[::10_000, 0].tolist() == [0, 1, 2, 3, 4]
    assert data.X_test[5, 0] == 5
    assert data.X[7, 3071] == 7
    assert data.y[:3].tolist() == list(CIFAR10_CLASSES[:3])
    folder = tmp_path / "plain"
    folder.mkdir()
    for name, part in cifar_parts.items():
        (folder / name).write_bytes(part)
    (x, y), _ = read_cifar10(folder)
    assert hashlib.sha256(x).digest() == hashlib.sha256(np.ascontiguousarray(data.X)).digest()
    (folder / "test_batch.bin").write_bytes(b"\x0b" + cifar_parts["test_batch.bin"][1:])
    with pytest.raises(DataError, match="test_batch.bin: record 0 has the label 11"):
        read_cifar10(folder)
    (folder / "test_batch.bin").write_bytes(b"1")
    with pytest.raises(DataError, match="a batch has 30730000 bytes. Received: 1"):
        read_cifar10(folder)


def test_bad_cifar10_archives_are_refused_and_write_nothing(tmp_path, cifar_parts):
    one = {"data_batch_1.bin": cifar_parts["data_batch_1.bin"]}
    for members, prefix, message in (
        (one, "../../", "the archive lacks data_batch_2.bin"),
        ({"data_batch_1.bin": b"short"}, "", "data_batch_1.bin must have 30730000 bytes. Received: 5"),
        ({f"x{i}": b"" for i in range(101)}, "", "over 100 members"),
    ):
        path = pack(tmp_path / "a.tar.gz", members, prefix)
        with pytest.raises(DataError, match=message):
            read_cifar10(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a readable archive|lacks"):
        read_cifar10(path)
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match="the archive lacks"):
        read_cifar10(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]
