"""Covering parts of an image, and looking among others for the most alike."""

import numpy as np
import pytest
import torch
from digit_networks import sequential
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from strata.explain import nearest_images, occlusion, project_features, saliency


def test_against_loops(digit_net, digit_images):
    x = digit_images[0][:2]
    for figure in ("probability", "score"):
        total, count = np.zeros((2, 8, 8)), np.zeros((8, 8))
        answers = lambda v: (digit_net(v).softmax(1) if figure == "probability" else digit_net(v)).detach()  # noqa: B023, E731
        whole = answers(x)
        classes = whole.argmax(1)
        for top in (0, 2, 4, 5):
            for left in (0, 2, 4, 5):
                covered = x.clone()
                covered[:, :, top : top + 3, left : left + 3] = 0.5
                for n in range(2):
                    fall = whole[n, classes[n]] - answers(covered)[n, classes[n]]
                    total[n, top : top + 3, left : left + 3] += float(fall)
                count[top : top + 3, left : left + 3] += 1
        found = occlusion(digit_net, x, patch=3, stride=2, value=0.5, figure=figure, batch_size=7)
        np.testing.assert_allclose(found.numpy(), total / count, atol=1e-5)


def test_the_fall_goes_with_the_saliency(digit_net, digit_images):
    x = digit_images[0][-60:]
    fall = occlusion(digit_net, x, patch=2, stride=1, figure="score")
    steep = saliency(digit_net, x, method="smooth", noise=0.1) * x[:, 0].abs().clamp(min=0.05)
    ranks = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(fall, steep, strict=True)]
    assert np.median(ranks) > 0.3
    shuffled = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(fall, steep.roll(1, 0), strict=True)]
    assert np.median(ranks) > np.median(shuffled) + 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": 9}, "`patch` must be from 1 to 8 pixels. Received: patch=9"),
        ({"patch": 2, "stride": 3}, "`stride` must be from 1 to the side of the square, 2. Received: stride=3"),
        ({"figure": "score "}, "Unknown figure 'score '. Did you mean 'score'"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
    ],
)
def test_wrong_squares_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        occlusion(sequential(0), torch.rand(1, 1, 8, 8), **settings)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_against_all_distances(metric):
    rng = np.random.RandomState(0)
    features, queries = rng.normal(size=(40, 7)), rng.normal(size=(5, 7))
    all_ = (cosine_distances if metric == "cosine" else euclidean_distances)(queries, features)
    found = nearest_images(queries, features, k=6, metric=metric)
    np.testing.assert_array_equal(found.indices, np.argsort(all_, axis=1)[:, :6])
    np.testing.assert_allclose(found.distances, np.sort(all_, axis=1)[:, :6], atol=1e-9)
    assert nearest_images(features, features, k=1, metric=metric).indices.ravel().tolist() == list(range(40))
    assert nearest_images(queries, features[:3], k=10).indices.shape == (5, 3)


def test_neighbours_have_the_same_class(digit_net, digit_images):
    x, y = digit_images
    features = digit_net[:6](x).detach().numpy()
    found = nearest_images(features[-100:], features[:-300], k=3)
    assert (y[:-300].numpy()[found.indices] == y[-100:].numpy()[:, None]).mean() > 0.85


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_groups_stay_apart_in_the_plane(method):
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(3), 40)
    features = rng.normal(size=(120, 60)) + 20 * np.eye(3, 60)[groups]
    places = project_features(features, method=method)
    assert places.shape == (120, 2) and np.isfinite(places).all()
    centres = np.stack([places[groups == k].mean(0) for k in range(3)])
    nearest = np.linalg.norm(places[:, None] - centres, axis=2).argmin(1)
    assert (nearest == groups).all()
    np.testing.assert_array_equal(places, project_features(features, method=method))


@pytest.mark.parametrize(("n", "d"), [(3, 1), (4, 2), (7, 100)])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_images_are_enough(method, n, d):
    places = project_features(np.random.RandomState(1).normal(size=(n, d)), method=method)
    assert places.shape == (n, 2) and np.isfinite(places).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: project_features(np.zeros((2, 3))), r"`features` must be of shape \(n, d\) with n at least 3"),
        (lambda: project_features(np.full((4, 3), np.nan)), "`features` must be finite"),
        (lambda: project_features(np.eye(4), method="umap"), "Unknown method 'umap'. Available: pca, tsne"),
        (lambda: project_features(np.eye(4), perplexity=0), "`perplexity` must be above 0"),
        (lambda: nearest_images(np.eye(2), np.eye(3)), "`queries` must have as many columns as `features`"),
        (lambda: nearest_images(np.eye(3), np.eye(3), k=0), "`k` must be at least 1"),
        (lambda: nearest_images(np.eye(3), np.eye(3), metric="l3"), "Unknown metric 'l3'"),
        (lambda: nearest_images(np.zeros(3), np.eye(3)), r"`queries` must be of shape \(n, d\)"),
    ],
)
def test_wrong_features_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
