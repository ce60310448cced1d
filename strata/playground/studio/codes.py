"""The room *Codes*: an autoencoder with its plane of codes, or a Boltzmann machine with its filters, as they learn."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from strata.data import load_set
from strata.data.download import FILES, set_folder
from strata.playground.models import Model
from strata.playground.studio.messages import CodeSettings
from strata.playground.studio.studio import Studio

__all__ = ["Codes", "Rows", "available_sets", "rows_of"]

_MOST_EPOCHS = 2000
_N_SHOWN = 8  # held-out pictures that are shown beside what is made of them
_N_SWEEP = 9  # pictures of one traversal
_N_TRAVERSED = 6
_N_FANTASIES = 20
_MOSAIC = 13
_N_MNIST, _N_MNIST_TEST = 10_000, 500
Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Pictures as rows of numbers from 0 to 1, to learn from and held out.

    Attributes
    ----------
    X : ndarray of shape (n, h * w)
        To learn from.
    X_test : ndarray of shape (m, h * w)
        Held out.
    y_test : ndarray of shape (m,)
        Their digits, for the colours of the plane; nothing learns them.
    shape : tuple of int
        Height and width.
    """

    X: Floats
    X_test: Floats
    y_test: NDArray[np.int64]
    shape: tuple[int, int]


def available_sets() -> list[str]:
    """List the sets of digits that are there without fetching anything.

    Returns
    -------
    names : list of str
        "digits", and "mnist" where its files lie in the library's cache.
    """
    folder = set_folder("mnist")
    found = all((folder / file.name).is_file() or (folder / file.name[:-3]).is_file() for file in FILES["mnist"])
    return ["digits", "mnist"] if found else ["digits"]


@cache
def rows_of(name: str) -> Rows:
    """Return a set of digits as rows.

    Parameters
    ----------
    name : {"digits", "mnist"}
        Which; of MNIST the first 10,000 training pictures and 500 of those after them.

    Returns
    -------
    rows : Rows
        From 0 to 1.
    """
    data = load_set(name)
    height, width = data.image_shape or (0, 0)
    X, y = np.asarray(data.X), np.asarray(data.y).astype(np.int64)
    if name == "mnist":
        X, y = X[: _N_MNIST + _N_MNIST_TEST], y[: _N_MNIST + _N_MNIST_TEST]
    n_test = _N_MNIST_TEST if name == "mnist" else 360
    X = X.reshape(len(X), -1).astype(np.float64)
    train, test, _, y_test = train_test_split(X / X.max(), y, test_size=n_test, stratify=y, random_state=0)
    return Rows(train, test, y_test, (height, width))


@cache
def _components(name: str, n: int) -> tuple[PCA, float]:
    """Return the principal components of a set, and the mean squared error that they leave on held-out pictures."""
    rows = rows_of(name)
    pca = PCA(n, random_state=0).fit(rows.X)
    back = pca.inverse_transform(pca.transform(rows.X_test))
    return pca, float(((back - rows.X_test) ** 2).mean())


class Codes(Studio):
    """Pictures and the few numbers that stand for them.

    Parameters
    ----------
    close : tuple of Connection
        Connections that the training process must not keep open.
    """

    settings_class = CodeSettings
    cursor: Floats

    @property
    def is_machine(self) -> bool:
        """Whether a Boltzmann machine learns."""
        return bool(self.settings.kind == "machine")

    @property
    def data(self) -> Rows:
        """What it learns from."""
        return rows_of(self.settings.dataset)

    def plan(self) -> Model:
        """Return what learns."""
        s = self.settings
        if s.dataset not in available_sets():
            raise ValueError("MNIST is not in the library's cache. Fetch it: strata data fetch mnist.")
        if self.is_machine:
            sparse = {"sparsity_target": 0.1, "sparsity_cost": 0.1} if s.sparse else {}
            return Model(
                "BernoulliRBM",
                {"n_components": s.units, "learning_rate": float(s.machine_rate), "batch_size": 20,
                 "n_iter": _MOST_EPOCHS, "persistent": s.persistent, "n_gibbs_steps": s.n_gibbs_steps,
                 "weight_decay": float(s.weight_decay), "visible_bias_init": "data", "shuffle": True, "n_threads": 1,
                 "random_state": s.seed, **sparse},
            )  # fmt: skip
        sizes = tuple(max(2, s.hidden // 2**at) for at in range(s.depth)) if s.hidden else ()
        return Model(
            "Autoencoder",
            {"n_components": s.n_components, "hidden_layer_sizes": sizes, "variational": s.variational,
             "loss": "binary_cross_entropy" if sizes else "squared_error",
             "beta": float(s.beta) if s.variational else 1.0,
             "noise": "masking" if s.noise else None, "noise_level": float(s.noise) or 0.3, "batch_size": 64,
             "learning_rate_init": float(s.learning_rate), "max_iter": _MOST_EPOCHS, "tol": 0.0,
             "n_iter_no_change": _MOST_EPOCHS, "n_threads": 1, "device": "cpu", "random_state": s.seed},
        )  # fmt: skip

    def rows(self) -> tuple[Any, Any]:
        """Return what it learns from."""
        return self.data.X, None

    def start(self) -> None:
        """Begin anew, with the cursor in the middle."""
        self.axes = (0, 1)
        self.mosaic = getattr(self, "mosaic", False)
        self.cursor = np.zeros(self.settings.n_components)
        super().start()

    def measure(self) -> tuple[float, ...]:
        """Return errors of the pictures given back, of training and held-out ones, and what they are set beside."""
        X, X_test = self.data.X[: len(self.data.X_test)], self.data.X_test
        if not self.is_machine:
            errors = [float(((self._given_back(part) - part) ** 2).mean()) for part in (X, X_test)]
            return (errors[0], errors[1], _components(self.settings.dataset, self.settings.n_components)[1])
        errors = [float(((self._given_back(part) - part) ** 2).mean()) for part in (X, X_test)]
        gap = float(self.model.free_energy(X_test).mean() - self.model.free_energy(X).mean())
        return (errors[0], errors[1], gap)

    def _given_back(self, X: Floats) -> Floats:
        if self.is_machine:
            return np.asarray(self.model.inverse_transform(self.model.transform(X)))
        return np.asarray(self.model.reconstruct(X))

    # -- what the page says -----------------------------------------------------------------------------

    def own_verb(self, message: Any) -> dict[str, Any]:
        """Move the cursor, or choose the numbers of the plane."""
        if message.do not in ("cursor", "axes") or self.is_machine:
            return super().own_verb(message)
        n = self.settings.n_components
        if message.do == "cursor":
            if len(message.code) != n:
                raise ValueError(f"`code` must hold {n} numbers. Received: {len(message.code)}.")
            self.cursor = np.array(message.code, dtype=np.float64)
        else:
            if message.x >= n or message.y >= n or message.x == message.y:
                raise ValueError(f"`x` and `y` must be two different numbers below {n}.")
            self.axes, self.mosaic = (message.x, message.y), message.pictures
        self.dirty = True
        return {}

    def hello(self) -> dict[str, Any]:
        """Return the defaults and the sets that are there."""
        return {**super().hello(), "choices": {"datasets": available_sets()}}

    def view(self) -> dict[str, Any]:
        """Return the settings and the classes of the held-out pictures."""
        data = self.data
        return {
            **super().view(),
            "labels": data.y_test.tolist(),
            "n_train": len(data.X),
            "n_test": len(data.X_test),
            "shape": list(data.shape),
        }

    # -- what the page sees -----------------------------------------------------------------------------

    def pictures(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is seen of the autoencoder or of the machine."""
        some = self.data.X_test[:_N_SHOWN]
        arrays = {"originals": self._levels(some), "rebuilt": self._levels(self._given_back(some))}
        header: dict[str, Any] = {"kind": self.settings.kind}
        if self.is_machine:
            return header, {**arrays, **self._of_machine()}
        return {**header, "axes": list(self.axes), "cursor": self.cursor.tolist()}, {**arrays, **self._of_plane()}

    def _levels(self, rows: Floats) -> NDArray[np.uint8]:
        """Return rows as pictures of 256 grey levels."""
        return np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8).reshape(-1, *self.data.shape)

    def _of_machine(self) -> dict[str, Any]:
        model = self.model
        if self.settings.persistent and model.h_samples_.any():
            fantasies = model.inverse_transform(model.h_samples_[:_N_FANTASIES])
        else:
            fantasies = model.sample(_N_FANTASIES, 20, means=True, random_state=self.settings.seed)
        return {
            "filters": model.components_.reshape(-1, *self.data.shape).astype(np.float32),
            "hidden": model.transform(self.data.X_test[:_N_SHOWN]).astype(np.float32),
            "fantasies": self._levels(fantasies),
        }

    def _of_plane(self) -> dict[str, Any]:
        model, s = self.model, self.settings
        codes = model.transform(self.data.X_test)
        low, high = np.quantile(codes, 0.01, axis=0), np.quantile(codes, 0.99, axis=0)
        margin = np.maximum(0.12 * (high - low), 1e-3)
        low, high = low - margin, high + margin
        sweeps = np.repeat(self.cursor[None], s.n_components * _N_SWEEP, axis=0)
        for at in range(s.n_components):
            sweeps[at * _N_SWEEP : (at + 1) * _N_SWEEP, at] = np.linspace(low[at], high[at], _N_SWEEP)
        shown = min(s.n_components, _N_TRAVERSED)
        pca, _ = _components(s.dataset, s.n_components)
        some = self.data.X_test[:_N_SHOWN]
        arrays = {
            "codes": codes[:, self.axes].astype(np.float32),
            "range": np.array([[low[at], high[at]] for at in self.axes], dtype=np.float32),
            "decoded": self._levels(model.inverse_transform(self.cursor[None])),
            "sweeps": self._levels(model.inverse_transform(sweeps[: shown * _N_SWEEP])),
            "sweep_ends": np.stack([low[:shown], high[:shown]], axis=1).astype(np.float32),
            "pca": self._levels(pca.inverse_transform(pca.transform(some))),
        }
        if self.mosaic:
            arrays["mosaic"] = self._levels(model.inverse_transform(self._mosaic(low, high)))
        return arrays

    def _mosaic(self, low: Floats, high: Floats) -> Floats:
        """Return the codes of a grid over the plane, the top row first."""
        x, y = self.axes
        edges = (np.arange(_MOSAIC) + 0.5) / _MOSAIC
        grid = np.repeat(self.cursor[None], _MOSAIC * _MOSAIC, axis=0)
        grid[:, x] = np.tile(low[x] + edges * (high[x] - low[x]), _MOSAIC)
        grid[:, y] = np.repeat(high[y] - edges * (high[y] - low[y]), _MOSAIC)
        return grid
