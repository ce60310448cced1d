"""The deep belief network against enumeration of a small one."""

import itertools

import pytest
import torch

from strata.nn import RBM, DeepBelief

F64 = torch.float64


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=F64)


def small(n_labels=0):
    network = DeepBelief([3, 4, 2], n_labels=n_labels, init_sigma=1.0, dtype=F64, random_state=0)
    for name, parameter in network.named_parameters():
        if "bias" in name:
            parameter.copy_(torch.randn(parameter.shape, dtype=F64, generator=torch.Generator().manual_seed(len(name))))
    return network


def test_it_begins_as_its_machines():
    rbms = [RBM(6, 5, init_sigma=0.5, random_state=1), RBM(5, 4, init_sigma=0.5, random_state=2)]
    network = DeepBelief.from_rbms(rbms, n_labels=3)
    assert network.sizes == (6, 5, 4) and network.top.n_visible == 8
    x = torch.rand(7, 6)
    assert torch.allclose(network.recognize(x), rbms[0].hidden_probs(x))
    assert torch.allclose(network(x), rbms[1].hidden_probs(rbms[0].hidden_probs(x)), atol=1e-6)
    h = torch.rand(7, 5)
    assert torch.allclose(network.generate(h), rbms[0].visible_mean(h))
    network.recognition_weights[0].zero_()
    assert network.generative_weights[0].any() and rbms[0].weight.any()  # untied copies


def test_the_scores_of_labels_are_the_top_machines_free_energies_but_for_a_constant():
    network = small(n_labels=3)
    x = torch.rand(4, 3, dtype=F64)
    inner = network.recognize(x)
    wanted = torch.stack(
        [-network.top.free_energy(torch.cat([inner, torch.eye(3, dtype=F64)[k].expand(4, 3)], 1)) for k in range(3)], 1
    )
    scores = network.label_scores(x)
    assert torch.allclose(scores - scores[:, :1], wanted - wanted[:, :1], atol=1e-12)


@pytest.mark.parametrize("label", [None, 1])
def test_draws_have_the_models_distribution(label):
    """p(v) = sum over h1, h2 and the label of p(v | h1) p(h1, label, h2), all states looked at."""
    network = small(n_labels=2)
    with torch.no_grad():
        inner, labels = (
            states(4),
            torch.eye(2, dtype=F64) if label is None else torch.eye(2, dtype=F64)[label : label + 1],
        )
        joint = torch.cat([torch.cat([inner, row.expand(16, 2)], 1) for row in labels])
        p = (-network.top.free_energy(joint)).softmax(0)
        below = torch.addmm(network.generative_biases[0], joint[:, :4], network.generative_weights[0]).sigmoid()
        wanted = p @ below
    generator = torch.Generator().manual_seed(0)
    found = network.sample(20_000, 60, label=label, generator=generator)
    assert found.shape == (20_000, 3)
    assert torch.allclose(found.mean(0), wanted, atol=0.01)
    assert torch.allclose(found.T @ found / 20_000, (below * p[:, None]).T @ below, atol=0.01)


def test_a_drawn_label_is_one_unit():
    network = small(n_labels=3)
    values = network.draw_top(torch.rand(50, 2, dtype=F64), generator=torch.Generator().manual_seed(0))
    assert values.shape == (50, 7) and (values[:, 4:].sum(1) == 1).all()
    assert len(values[:, 4:].unique(dim=0)) == 3


def test_one_machine_is_a_network_too():
    network = DeepBelief([5, 3], n_labels=2)
    assert network.sample(4, 5).shape == (4, 5) and network.label_scores(torch.zeros(2, 5)).shape == (2, 2)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`sizes` must name at least two layers"):
        DeepBelief([4])
    with pytest.raises(ValueError, match="`rbms` must be binary machines whose sizes fit"):
        DeepBelief.from_rbms([RBM(4, 3), RBM(5, 2)])
    with pytest.raises(ValueError, match="`rbms` must be binary machines"):
        DeepBelief.from_rbms([RBM(4, 3, visible="gaussian"), RBM(3, 2)])
    with pytest.raises(ValueError, match="`n_labels` must be positive"):
        small().label_scores(torch.zeros(1, 3, dtype=F64))
