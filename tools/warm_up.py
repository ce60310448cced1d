"""Compile the training loops once, so that several test processes only load them from disk."""

import warnings

import numpy as np

from strata import BaggedMLPClassifier, BernoulliRBM, MLPClassifier


def main() -> None:
    warnings.simplefilter("ignore")
    for dtype in ("float32", "float64"):
        X, y = np.eye(8, dtype=dtype), np.arange(8) % 2
        for estimator in (MLPClassifier(), BaggedMLPClassifier(n_estimators=2)):
            estimator.set_params(hidden_layer_sizes=(2,), max_iter=1).fit(X, y)
        BernoulliRBM(2, n_iter=1).fit(X)


if __name__ == "__main__":
    main()
