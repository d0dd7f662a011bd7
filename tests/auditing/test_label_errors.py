"""Suspected label errors."""

import numpy as np
import pytest
from PIL import Image

import skblood
from skblood.auditing import confident_errors, out_of_fold_probabilities

CLASSES = np.array(["lymphocyte", "neutrophil", "platelet"])
WRONG = [5, 33, 60, 101]


def draw(n, seed):
    """Return red, green and blue noise, and its labels."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 100, (n, 28, 28, 3), dtype=np.uint8)
    codes = rng.integers(0, 3, n)
    X[np.arange(n), ..., codes] += 100
    return X, CLASSES[codes]


@pytest.fixture(scope="module")
def model():
    settings = {"max_epochs": 10, "augment": None, "random_state": 0}
    return skblood.MLPCellClassifier((16,), **settings).fit(*draw(120, 0))


@pytest.fixture(scope="module")
def planted():
    """Cells, their labels of which four are wrong, and the true ones."""
    X, truth = draw(120, 1)
    y = truth.copy()
    y[WRONG] = CLASSES[(np.searchsorted(CLASSES, truth[WRONG]) + 1) % 3]
    return X, y, truth


class TestConfidentLearning:
    def test_same_as_cleanlab(self):
        """Positions and order of ``find_label_issues`` of cleanlab 2.9, by normalized margin."""
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 4, 120)
        probabilities = rng.dirichlet(np.full(4, 0.5), 120) * 0.55
        probabilities[np.arange(120), codes] += 0.45
        wrong = rng.permutation(120)[:12]
        codes[wrong] = (codes[wrong] + 1) % 4
        found, suggested = confident_errors(codes, probabilities)
        assert found.tolist() == [64, 3, 34, 55, 17, 40, 16, 13]
        assert (suggested != codes[found]).all()

    def test_a_class_without_labels_is_not_suggested(self):
        probabilities = np.array([[0.1, 0.0, 0.9]] * 3 + [[0.2, 0.8, 0.0]] * 3)
        assert len(confident_errors(np.array([0, 0, 0, 1, 1, 1]), probabilities)[0]) == 0

    def test_a_label_that_is_as_probable_is_not_suspected(self):
        codes = np.arange(40) % 2
        assert len(confident_errors(codes, np.full((40, 2), 0.5))[0]) == 0
        probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
        assert 0 not in confident_errors(np.array([0, 0, 0, 1, 1]), probabilities)[0]

    def test_folds_keep_groups_together(self):
        """The features tell the group only, so that nothing can be learned of another one."""
        groups = np.repeat(np.arange(12), 5)
        found = out_of_fold_probabilities(np.eye(12)[groups], groups % 2, groups, 3)
        assert found.max() < 0.7


class TestAudit:
    @pytest.mark.parametrize("probabilities", ["out-of-fold", "model", "array"])
    def test_planted(self, model, planted, probabilities):
        X, y, truth = planted
        if probabilities == "array":
            probabilities = model.predict_proba(X)
        report = skblood.audit(X, y, model=model, probabilities=probabilities)
        found = {finding.positions[0]: finding.suggested for finding in report.label_errors}
        assert found == dict(zip(WRONG, truth[WRONG].tolist(), strict=True))

    def test_report(self, model, planted):
        X, y, truth = planted
        report = skblood.audit(X, y, model=model, probabilities="out-of-fold")
        first = report.label_errors[0]
        i = first.positions[0]
        lines = str(report).splitlines()
        line = lines[lines.index("4 suspected label errors") + 1]
        assert line.startswith(f"  X[{i}]: {y[i]} (0.") and f"more probably {truth[i]} (" in line
        frame = report.to_frame()
        frame = frame[frame["kind"] == "label_errors"]
        assert frame["suggested"].iloc[0] == truth[i] and frame["labels"].iloc[0] == (y[i],)
        assert f"more probably {truth[i]}" in report.to_html()
        assert skblood.audit(X, y).label_errors == []

    def test_rare_and_unknown_classes_are_not_judged(self, model, planted):
        X, y, _ = planted
        y = y.astype(object)
        y[:3] = "blast"
        for probabilities in ("out-of-fold", "model"):
            report = skblood.audit(X, y, model=model, probabilities=probabilities)
            found = {finding.positions[0] for finding in report.label_errors}
            assert found == {*WRONG}

    def test_unreadable_images(self, model, planted, tmp_path):
        X, y, _ = planted
        (tmp_path / "no.png").write_bytes(b"no image")
        cells = [tmp_path / "no.png", *(tmp_path / f"{i}.png" for i in range(len(X)))]
        for path, image in zip(cells[1:], X, strict=True):
            Image.fromarray(image).save(path)
        report = skblood.audit(cells, ["ig", *y], model=model, probabilities="out-of-fold")
        assert report.unreadable[0].positions == (0,)
        assert {finding.positions[0] - 1 for finding in report.label_errors} == {*WRONG}

    def test_mistakes(self, model, planted):
        X, y, _ = planted
        X, y = X[:30], y[:30]
        with pytest.raises(ValueError, match=r"with a model, .*load_pretrained"):
            skblood.audit(X, y, probabilities="out-of-fold")
        with pytest.raises(ValueError, match="not 'oof'"):
            skblood.audit(X, y, model=model, probabilities="oof")
        with pytest.raises(ValueError, match="need labels"):
            skblood.audit(X, model=model, probabilities="model")
        with pytest.raises(ValueError, match=r"shape \(30, 3\)"):
            skblood.audit(X, y, probabilities=np.ones((30, 2)) / 2)
        slides = np.arange(30) // 10
        with pytest.raises(ValueError, match=r"in 5 groups .* Lower `n_splits`"):
            skblood.audit(X, y, groups=slides, model=model, probabilities="out-of-fold")
