"""How the expression of genes differs between two groups of cells, from samples of the posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ExpressionChange", "false_discoveries"]


@dataclass
class ExpressionChange:
    r"""Add up, over pairs of samples, how much more the first of two groups expresses each gene.

    Attributes
    ----------
    delta : float
        Change of the binary logarithm, in absolute value, from which a gene counts as changed.
    pseudocount : float
        Added to both expressions before the logarithm, in their units, >= 0.
    n_pairs : int
        Pairs seen.
    above : ndarray of shape (G,)
        Pairs in which the gene is changed.
    higher : ndarray of shape (G,)
        Pairs in which the first group expresses it more.

    Notes
    -----
    Boyeau et al. [1]_: with expressions :math:`\rho^1, \rho^2` drawn from the posteriors of cells of the two groups,
    :math:`\beta_g = \log_2(\rho^1_g + \epsilon) - \log_2(\rho^2_g + \epsilon)`, and a gene is changed with probability
    :math:`p_g = p(|\beta_g| > \delta)`. The Bayes factor is :math:`\log p_g - \log(1 - p_g)`.

    References
    ----------
    .. [1] P. Boyeau, R. Lopez, J. Regier, A. Gayoso, M. I. Jordan, N. Yosef, "Deep generative models for detecting
       differential expression in single cells", Machine Learning in Computational Biology 2019.

    Examples
    --------
    >>> change = ExpressionChange(delta=0.5)
    >>> change.add(np.array([[0.4, 0.1], [0.8, 0.1]]), np.array([[0.1, 0.1], [0.1, 0.1]]))
    >>> change.probability, change.mean
    (array([1., 0.]), array([2.5, 0. ]))
    """

    delta: float = 0.25
    pseudocount: float = 0.0
    n_pairs: int = 0
    above: np.ndarray | float = 0.0
    higher: np.ndarray | float = 0.0
    _sum: np.ndarray | float = 0.0
    _squares: np.ndarray | float = 0.0

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Take more pairs in.

        Parameters
        ----------
        first : ndarray of shape (n, G)
            Expressions drawn for the first group.
        second : ndarray of shape (n, G)
            Expressions drawn for the second group.
        """
        first, second = (np.asarray(each, dtype=np.float64) + self.pseudocount for each in (first, second))
        beta = np.log2(first) - np.log2(second)
        self.n_pairs += len(beta)
        self.above = self.above + (np.abs(beta) > self.delta).sum(axis=0)
        self.higher = self.higher + (beta > 0).sum(axis=0)
        self._sum = self._sum + beta.sum(axis=0)
        self._squares = self._squares + (beta**2).sum(axis=0)

    @property
    def probability(self) -> np.ndarray:
        """Probability that each gene is changed."""
        return np.asarray(self.above / self.n_pairs)

    @property
    def mean(self) -> np.ndarray:
        """Mean change of the binary logarithm of each gene."""
        return np.asarray(self._sum / self.n_pairs)

    @property
    def std(self) -> np.ndarray:
        """Its standard deviation over the pairs."""
        return np.sqrt(np.maximum(self._squares / self.n_pairs - self.mean**2, 0.0))

    @property
    def bayes_factor(self) -> np.ndarray:
        """Logarithm of the odds that each gene is changed; a probability of 0 or 1 counts as half a pair short."""
        most = 1 - 0.5 / self.n_pairs
        p = np.clip(self.probability, 1 - most, most)
        return np.asarray(np.log(p) - np.log1p(-p))


def false_discoveries(probability: np.ndarray, *, share: float) -> np.ndarray:
    """Choose as many genes as can be called changed with a bounded expected share of false ones.

    Parameters
    ----------
    probability : ndarray of shape (G,)
        Probability that each gene is changed.
    share : float
        Bound on the expected share of false discoveries, in (0, 1).

    Returns
    -------
    called : ndarray of bool of shape (G,)
        The genes with the largest probabilities whose mean of ``1 - probability`` is at most ``share``.

    Examples
    --------
    >>> false_discoveries(np.array([0.99, 0.2, 0.95]), share=0.05)
    array([ True, False,  True])
    """
    order = np.argsort(-probability, kind="stable")
    expected = np.cumsum(1 - probability[order]) / np.arange(1, len(probability) + 1)
    called = np.zeros(len(probability), dtype=bool)
    called[order[expected <= share]] = True
    return called
