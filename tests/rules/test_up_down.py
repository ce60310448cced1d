"""The up-down algorithm and the auto-associator, against gradients by automatic differentiation and loops."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from strata.data.sources import ArraySource, Batch
from strata.engine import train
from strata.nn import RBM, DeepBelief
from strata.rules import AutoAssociator, UpDown

F64 = torch.float64


def network(n_labels=0):
    return DeepBelief([6, 5, 4, 3], n_labels=n_labels, init_sigma=0.8, dtype=F64, random_state=0)


def recorded(rule, batch):
    """Take one step and return every change of a parameter over the rate, with the draws that were made."""
    before = {name: p.clone() for name, p in rule.network.named_parameters()}
    rule.step(batch)
    return {name: (p - before[name]) / rule.learning_rate for name, p in rule.network.named_parameters()}


def test_each_change_is_the_gradient_of_what_it_should_predict():
    """The draws are repeated from the same generator; then every change is a gradient of a log-likelihood."""
    rule = UpDown(network(), learning_rate=0.5, n_gibbs_steps=2, random_state=0)
    net = copy.deepcopy(rule.network)
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    again = torch.Generator()
    again.set_state(rule._generator.get_state())
    x = torch.rand(7, 6, dtype=F64)
    changes = recorded(rule, Batch(x))

    def draw(p):
        return (torch.rand(p.shape, generator=again, dtype=p.dtype) < p).to(p)

    with torch.no_grad():
        states = [x]
        for w, b in zip(net.recognition_weights, net.recognition_biases, strict=True):
            states.append(draw((states[-1] @ w + b).sigmoid()))
        v, top = states[-1], net.top
        for _ in range(2):
            h = draw(top.hidden_probs(v))
            v = draw(top.visible_mean(h))
        dreams = [v]
        for level in (1, 0):
            p = (dreams[-1] @ net.generative_weights[level] + net.generative_biases[level]).sigmoid()
            dreams.append(draw(p) if level else p)
        dreams = dreams[::-1]
    wake = sum(
        -F.binary_cross_entropy_with_logits(states[k + 1] @ w + b, states[k], reduction="sum")
        for k, (w, b) in enumerate(zip(net.generative_weights, net.generative_biases, strict=True))
    )
    sleep = sum(
        -F.binary_cross_entropy_with_logits(dreams[k] @ w + b, dreams[k + 1], reduction="sum")
        for k, (w, b) in enumerate(zip(net.recognition_weights, net.recognition_biases, strict=True))
    )
    contrast = top.free_energy(v).sum() - top.free_energy(states[-1]).sum()
    ((wake + sleep + contrast) / len(x)).backward()
    for name, parameter in net.named_parameters():
        assert torch.allclose(changes[name], parameter.grad, atol=1e-10), name


def test_the_top_alone_learns_from_probabilities_and_labels():
    rule = UpDown(network(3), learning_rate=0.1, layers="top", random_state=0)
    changes = recorded(rule, Batch(torch.rand(9, 6, dtype=F64), torch.arange(9) % 3))
    assert {name for name, change in changes.items() if change.any()} == {
        "top.weight", "top.visible_bias", "top.hidden_bias"
    }  # fmt: skip


def test_labels_are_learned_and_told():
    random = np.random.RandomState(0)
    y = random.randint(2, size=300)
    x = (random.uniform(size=(300, 8)) < np.where(y[:, None] == np.arange(8) // 4, 0.9, 0.1)).astype(np.float32)
    net = DeepBelief.from_rbms([RBM(8, 10, random_state=1), RBM(10, 12, random_state=2)], n_labels=2)
    source = ArraySource(x, y[:, None].astype(np.float32), batch_size=20, random_state=0)
    train(UpDown(net, learning_rate=0.2, layers="top", random_state=0), source, max_epochs=30)
    run = train(UpDown(net, learning_rate=0.1, n_gibbs_steps=((0, 1), (5, 3)), random_state=0), source, max_epochs=80)
    right = net.label_scores(torch.from_numpy(x)).argmax(1).numpy() == y
    assert right.mean() > 0.95
    assert run.history["label"][-1] < 0.1 < run.history["label"][0]
    for label in (0, 1):
        drawn = net.sample(200, 50, label=label, generator=torch.Generator().manual_seed(0)).mean(0)
        inside = torch.arange(8) // 4 == label
        assert drawn[inside].mean() > 0.7 > 0.3 > drawn[~inside].mean()


def test_momentum_decay_and_the_count_of_steps():
    rule = UpDown(network(), learning_rate=0.1, momentum=0.5, weight_decay=1.0, random_state=0)
    assert rule.n_steps == 0 and rule.rate == 0.1
    batch = Batch(torch.rand(4, 6, dtype=F64))
    first = recorded(rule, batch)["recognition_biases.0"]
    assert torch.allclose(rule.change_of_recognition_biases_0, 0.1 * first)
    assert rule.n_steps == 1
    steps = UpDown(network(), n_gibbs_steps=((0, 3), (2, 6)))
    seen = []
    for _ in range(4):
        seen.append(steps._steps_now())
        steps.end_epoch({})
    assert seen == [3, 3, 6, 6]


def test_a_state_goes_on():
    x = torch.rand(12, 6, dtype=F64)
    rule = UpDown(network(), random_state=0, momentum=0.5)
    rule.step(Batch(x))
    other = UpDown(network(), random_state=5, momentum=0.5)
    other.load_state_dict(rule.state_dict())
    assert float(rule.step(Batch(x))["loss"]) == float(other.step(Batch(x))["loss"])
    assert all(torch.equal(a, b) for a, b in zip(rule.parameters(), other.parameters(), strict=True))
    assert sorted(rule.evaluate(Batch(x))) == ["loss", "weight"]
    assert rule(x).shape == (12, 3)


def test_what_is_refused():
    with pytest.raises(TypeError, match="`network` must be a DeepBelief"):
        UpDown(RBM(3, 2))
    with pytest.raises(ValueError, match="pairs of an epoch and steps whose epochs rise from 0"):
        UpDown(network(), n_gibbs_steps=((1, 3),))
    with pytest.raises(ValueError, match="`y` must hold the class number"):
        UpDown(network(2)).step(Batch(torch.zeros(2, 6)))


@pytest.mark.parametrize("output", ["binary", "gaussian"])
def test_the_auto_associators_step_is_the_gradient(output):
    rule = AutoAssociator(5, 3, learning_rate=0.3, weight_decay=0.1, output=output, dtype=F64, random_state=0)
    x = torch.rand(4, 5, dtype=F64)
    w, b, c = (p.clone().requires_grad_(True) for p in (rule.weight, rule.hidden_bias, rule.visible_bias))
    scores = (x @ w + b).sigmoid() @ w.T + c
    if output == "binary":
        loss = F.binary_cross_entropy_with_logits(scores, x, reduction="sum") / 4
    else:
        loss = ((scores - x) ** 2).sum() / 8
    (loss + 0.05 * (w**2).sum()).backward()
    figures = rule.step(Batch(x))
    assert float(figures["loss"]) == pytest.approx(loss.item())
    for found, parameter in zip((rule.weight, rule.hidden_bias, rule.visible_bias), (w, b, c), strict=True):
        assert torch.allclose(found, parameter.detach() - 0.3 * parameter.grad, atol=1e-12)


def test_the_auto_associators_momentum_and_corruption():
    x = torch.rand(200, 12)
    rule = AutoAssociator(12, 8, momentum=0.9, random_state=0)
    rule.step(Batch(x))
    change = rule.change_of_visible_bias.clone()
    before = rule.visible_bias.clone()
    rule.step(Batch(x))
    assert torch.allclose(rule.visible_bias - before, rule.change_of_visible_bias)
    assert not torch.equal(change, rule.change_of_visible_bias)
    losses = []
    for corruption in (0.0, 0.6):
        rule = AutoAssociator(12, 8, corruption=corruption, random_state=0)
        losses.append(float(rule.step(Batch(x))["loss"]))
        assert rule.evaluate(Batch(x))["weight"] == 200
    assert losses[0] != losses[1]
    state = copy.deepcopy(rule.state_dict())
    other = AutoAssociator(12, 8, corruption=0.6, random_state=9)
    other.load_state_dict(state)
    assert float(rule.step(Batch(x))["loss"]) == float(other.step(Batch(x))["loss"])


def test_an_auto_associator_learns_to_give_back():
    random = np.random.RandomState(0)
    x = np.eye(4, dtype=np.float32)[random.randint(4, size=400)].repeat(3, axis=1)
    rule = AutoAssociator(12, 6, learning_rate=0.5, random_state=0)
    run = train(rule, ArraySource(x, batch_size=20, random_state=0), max_epochs=30)
    assert run.history["loss"][-1] < 0.2 * run.history["loss"][0]
    with pytest.raises(ValueError, match="`corruption` must be a finite number"):
        AutoAssociator(3, 2, corruption=1.0)
