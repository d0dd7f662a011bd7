"""Fitting the output layer and its biases."""

import pytest
import torch

from skblood.adaptation import _output_layer
from skblood.adaptation._output_layer import fit_layer, logits_of

EQUAL = torch.full((4,), 0.25, dtype=torch.double)
CODES = torch.arange(30) % 3  # of four classes


def normal(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


@pytest.fixture
def layer():
    return normal(4, 7) / 3


@pytest.fixture
def features():
    return (normal(30, 6) + 5 * torch.eye(6, dtype=torch.double)[CODES])[:, None]


def right(layer, features, codes=CODES):
    return float((logits_of(layer, features[:, 0]).argmax(1) == codes).double().mean())


def test_learns_and_leaves_absent_classes_and_the_old_layer(layer, features):
    before = layer.clone()
    new = fit_layer(layer, features, CODES, EQUAL)
    assert right(new, features) == 1 > right(layer, features)
    torch.testing.assert_close(new[3], layer[3])
    assert torch.equal(before, layer)


def test_biases_alone(layer, features):
    new = fit_layer(layer, features, CODES, EQUAL, only_biases=True)
    torch.testing.assert_close(new[:, :-1], layer[:, :-1])
    torch.testing.assert_close(new[3], layer[3])
    # All labeled classes count alike: a class that is hardly ever found gets a higher bias.
    shifted = torch.eye(4, 7, dtype=torch.double)
    shifted[0, -1] -= 9
    new = fit_layer(shifted, features, CODES, EQUAL, only_biases=True)
    assert right(new, features) > 0.85 > 0.7 > right(shifted, features)


@pytest.mark.parametrize("name", ["_OUTPUT", "_BIASES"])
def test_the_penalty_keeps_it_near(layer, features, monkeypatch, name):
    moved = []
    for penalty in (1e7, 10.0, 1.0, 0.1):
        monkeypatch.setattr(_output_layer, name, penalty)
        new = fit_layer(layer, features, CODES, EQUAL, only_biases=name == "_BIASES")
        moved.append(float((new - layer).norm()))
    assert moved == sorted(moved) and moved[0] < 1e-4 < moved[1]


def test_the_unit_of_the_features_does_not_matter(layer, features):
    scaled = layer.clone()
    scaled[:, :-1] *= 100
    one = fit_layer(layer, features, CODES, EQUAL)
    other = fit_layer(scaled, features / 100, CODES, EQUAL)
    expected = logits_of(one, features[:, 0])
    torch.testing.assert_close(logits_of(other, features[:, 0] / 100), expected)


def test_a_view_counts_a_part_and_classes_count_alike(layer, features):
    one = fit_layer(layer, features, CODES, EQUAL)
    views = fit_layer(layer, features.repeat(1, 3, 1), CODES, EQUAL)
    torch.testing.assert_close(one, views, atol=1e-3, rtol=1e-3)
    again = torch.cat([torch.nonzero(CODES == 0)[:, 0]] * 9 + [torch.arange(30)])
    biases = {"shares": EQUAL, "only_biases": True}
    one = fit_layer(layer, features, CODES, **biases)
    other = fit_layer(layer, features[again], CODES[again], **biases)
    torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_more_cells_move_it_further(layer):
    features, codes = normal(4, 2, 6), torch.arange(4)
    few = fit_layer(layer, features, codes, EQUAL)
    many = fit_layer(layer, features.repeat(10, 1, 1), codes.repeat(10), EQUAL)
    few, many = (float((new - layer).norm()) for new in (few, many))
    assert many > 1.2 * few > 0


def test_a_class_that_cannot_occur_is_not_fitted_against(layer, features):
    without = torch.tensor([1, 1, 1, 0]).double() / 3
    high = layer.clone()
    high[3, -1] += 50  # it would be predicted for all cells
    fitted = fit_layer(layer, features, CODES, without)
    again = fit_layer(high, features, CODES, without)
    torch.testing.assert_close(again[:3], fitted[:3], atol=1e-3, rtol=1e-3)


def test_predictions_for_unlabelled_cells_get_surer_and_have_the_shares(layer, features):
    rest = normal(60, 6) + 2 * torch.eye(6, dtype=torch.double)[torch.arange(60) % 2]

    def predict(shares, unlabeled=rest):
        shares = torch.tensor(shares).double()
        fitted = fit_layer(layer, features, CODES, shares, unlabeled=unlabeled)
        return (logits_of(fitted, rest) + shares.clamp(min=1e-30).log()).softmax(1)

    plain, equal = (predict([1 / 3, 1 / 3, 1 / 3, 0.0], u) for u in (None, rest))
    assert equal.amax(1).mean() > plain.amax(1).mean() + 0.02
    many = predict([0.05, 0.05, 0.9, 0.0])
    assert many[:, 2].mean() > equal[:, 2].mean() + 0.05
