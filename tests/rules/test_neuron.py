"""The McCulloch-Pitts neuron: exhaustive truth tables."""

from itertools import product

import pytest
import torch

from strata.data.sources import Batch
from strata.rules import McCullochPittsRule

PAIRS = torch.tensor(list(product([0.0, 1.0], repeat=2)), dtype=torch.float64)
TRIPLES = torch.tensor(list(product([0.0, 1.0], repeat=3)), dtype=torch.float64)

# learning.md section 2.1
GATES = {
    "and": ([1, 1], 1.5, [0, 0, 0, 1]),
    "or": ([1, 1], 0.5, [0, 1, 1, 1]),
    "nor": ([-1, -1], -0.5, [1, 0, 0, 0]),
    "nand": ([-1, -1], -1.5, [1, 1, 1, 0]),
}


@pytest.mark.parametrize("name", GATES)
def test_gates(name):
    weights, threshold, outputs = GATES[name]
    assert McCullochPittsRule(weights, threshold)(PAIRS).flatten().tolist() == outputs


def test_not_and_majority():
    assert McCullochPittsRule([-1], -0.5)(torch.tensor([[0.0], [1.0]])).flatten().tolist() == [1, 0]
    majority = McCullochPittsRule([1, 1, 1], 1.5)(TRIPLES).flatten()
    assert majority.tolist() == [int(sum(row) >= 2) for row in TRIPLES.tolist()]


def test_the_inequality_is_strict():
    assert McCullochPittsRule([1, 1], 1.0)(PAIRS).flatten().tolist() == [0, 0, 0, 1]
    assert McCullochPittsRule([1, 1], 2.0)(PAIRS).flatten().tolist() == [0, 0, 0, 0]


def test_fourteen_of_sixteen_functions_of_two_inputs():
    reached = set()
    for w1, w2, threshold in product((-2, -1, 0, 1, 2), (-2, -1, 0, 1, 2), (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)):
        outputs = McCullochPittsRule([w1, w2], threshold)(PAIRS).flatten().int().tolist()
        reached.add(tuple(outputs))
    assert len(reached) == 14
    assert (0, 1, 1, 0) not in reached
    assert (1, 0, 0, 1) not in reached


def test_inhibition_is_absolute():
    # two excitatory inputs and a veto: no sum of excitations overcomes it
    outputs = McCullochPittsRule([1, 1, 1], 0.5, inhibitory=[2])(TRIPLES).flatten()
    assert outputs.tolist() == [int((a or b) and not c) for a, b, c in TRIPLES.tolist()]
    # an inhibitory input contributes nothing when it is silent, and its weight counts for nothing
    assert McCullochPittsRule([1, 1, -9], 1.5, inhibitory=[2])(TRIPLES).flatten().tolist() == [0, 0, 0, 0, 0, 0, 1, 0]


def test_several_neurons_with_their_own_thresholds():
    rule = McCullochPittsRule([[1, 1], [-1, -1]], [0.5, -1.5])
    assert rule(PAIRS).T.tolist() == [GATES["or"][2], GATES["nand"][2]]


def test_a_step_measures_and_learns_nothing():
    rule = McCullochPittsRule([1, 1], 1.5)
    figures = rule.step(Batch(PAIRS, torch.tensor([[0.0], [1.0], [1.0], [0.0]])))  # XOR: three of four wrong
    assert figures["error"].item() == 0.75
    assert figures["weight"].item() == 4
    assert rule.weight.tolist() == [[1.0, 1.0]]
    assert rule.converged
    assert rule.rate is None
    assert set(rule.state_dict()) == {"weight", "threshold", "veto"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: McCullochPittsRule([[[1.0]]], 1), r"`weights` must have shape .* Received: shape \(1, 1, 1\)"),
        (lambda: McCullochPittsRule([1, 1], [1, 2]), r"`threshold` must be one number, or one for each of 1 neurons"),
        (lambda: McCullochPittsRule([1, float("nan")], 1), "`weights` and `threshold` must be finite"),
        (lambda: McCullochPittsRule([1, 1], 1, inhibitory=[2]), "`inhibitory` must hold input numbers from 0 to 1"),
        (lambda: McCullochPittsRule([1, 1], 1)(torch.ones(2, 3)), r"`x` must have shape \(N, 2\)"),
        (lambda: McCullochPittsRule([1, 1], 1)(torch.full((1, 2), 0.5)), "`x` must hold only 0 and 1"),
        (lambda: McCullochPittsRule([1, 1], 1).step(Batch(PAIRS)), "`batch` must hold targets"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
