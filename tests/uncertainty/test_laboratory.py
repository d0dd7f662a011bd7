"""Whether a laboratory is known: a test that must hold its level and find what differs."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skblood.uncertainty import laboratory_test


def draw(n, seed, shift=0.0, share=0.5, d=4):
    """Rows of two classes, which the first column tells; the last one may be shifted."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    X = rng.normal(size=(n, d))
    X[:, 0] += 8 * y
    X[:, -1] += shift
    return X, y


@pytest.fixture(scope="module")
def classifier():
    return LogisticRegression().fit(*draw(500, 99))


class TestOnRows:
    def test_the_level_is_held(self, classifier):
        """Of 200 samples of the known laboratory, one in ten has a p-value of 0.1 or less."""
        pvalues = np.array(
            [
                laboratory_test(
                    classifier,
                    draw(80, seed)[0],
                    draw(60, 1000 + seed)[0],
                    n_permutations=99,
                    random_state=seed,
                ).pvalue
                for seed in range(200)
            ]
        )
        assert (pvalues <= 0.1).mean() == pytest.approx(0.1, abs=0.06)
        assert (pvalues <= 0.5).mean() == pytest.approx(0.5, abs=0.1)

    def test_another_mix_of_cells_is_no_other_laboratory(self, classifier):
        known, new = draw(300, 1, share=0.8)[0], draw(300, 2, share=0.2)[0]
        assert laboratory_test(classifier, known, new, random_state=0).pvalue > 0.05
        assert laboratory_test(None, known, new, random_state=0).pvalue < 0.01

    @pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
    def test_a_shift_is_found_and_measured(self, classifier, shift):
        result = laboratory_test(
            classifier, draw(1000, 1)[0], draw(1000, 2, shift)[0], random_state=0
        )
        assert result.pvalue == 0.001
        spread = np.sqrt(1 + shift**2 / 4)  # of both together
        assert result.distance == pytest.approx(shift / spread, rel=0.15)

    def test_no_shift_is_no_distance(self, classifier):
        result = laboratory_test(classifier, draw(1000, 1)[0], draw(1000, 2)[0], random_state=0)
        assert result.distance < 0.1

    def test_labels_of_one_side_only_are_left_out(self, classifier):
        known = draw(200, 1, share=0.5)[0]
        new = draw(100, 2, share=0.0)[0]
        result = laboratory_test(classifier, known, new, random_state=0)
        n_alike = (classifier.predict(known) == classifier.predict(new)[0]).sum()
        assert (result.n_known, result.n_new) == (n_alike, 100)

    def test_nothing_to_compare(self, classifier):
        with pytest.raises(ValueError, match="No label is found among both"):
            laboratory_test(classifier, draw(50, 1, share=0)[0], draw(50, 2, share=1)[0])

    def test_it_is_repeated_by_its_seed(self, classifier):
        known, new = draw(60, 1)[0], draw(60, 2, 0.2)[0]
        state = np.random.get_state()[1].copy()
        results = {laboratory_test(classifier, known, new, random_state=3) for _ in range(2)}
        assert len(results) == 1
        laboratory_test(classifier, known, new)
        np.testing.assert_array_equal(np.random.get_state()[1], state)

    @pytest.mark.parametrize("n_permutations", [9, 99])
    def test_the_pvalue_is_no_smaller_than_the_permutations_allow(self, classifier, n_permutations):
        far = draw(50, 2, shift=9)[0]
        result = laboratory_test(
            classifier, draw(50, 1)[0], far, n_permutations=n_permutations, random_state=0
        )
        assert result.pvalue == pytest.approx(1 / (n_permutations + 1))

    def test_wrapped_classifiers_compare_within_their_labels(self, classifier):
        known, new = draw(200, 1, share=0.8)[0], draw(200, 2, share=0.2)[0]
        expected = laboratory_test(classifier, known, new, random_state=0)
        for wrapped in (FrozenEstimator(classifier), make_pipeline(classifier)):
            assert laboratory_test(wrapped, known, new, random_state=0) == expected

    def test_what_is_given_is_left_as_it_was(self, classifier):
        known, new = draw(60, 1)[0], draw(60, 2)[0]
        copies = known.copy(), new.copy()
        laboratory_test(classifier, known, new, random_state=0)
        np.testing.assert_array_equal(known, copies[0])
        np.testing.assert_array_equal(new, copies[1])


class TestOnCells:
    def test_other_colours_are_another_laboratory(self, network, some_cells):
        X, _ = some_cells
        same = laboratory_test(network, X[160:320], X[320:], random_state=0)
        bluish = (X[320:] * np.array([0.85, 0.95, 1.0])).astype(np.uint8)
        other = laboratory_test(network, X[160:320], bluish, random_state=0)
        assert same.pvalue > 0.01
        assert other.pvalue == 0.001
        assert other.distance > 2 * same.distance
