"""Simulated validations: how often a study of some slides and cells passes its limits."""

from dataclasses import dataclass

import numpy as np

from skblood.evaluation._acceptance import decide_all, measure
from skblood.evaluation._differential_correction import check_confusion

# Errors vary between slides by a gamma distribution of this shape: their factor has a standard
# deviation of 0.71.
_ERROR_SHAPE = 2


@dataclass
class Simulation:
    """What is assumed of a study, and what is decided in it; see `plan_validation`.

    Parameters
    ----------
    shares : ndarray of shape (n_classes,)
        With the sum 1.
    reader_rates, model_rates : ndarray of shape (n_classes, n_classes)
        Shares of each true class (row) that are labeled as each class.
    spread : float
    same_cells : bool
    criteria : list of (class, criterion, limit)
    classes : list of length n_classes
    min_cells : int
    confidence_level : float
    """

    shares: np.ndarray
    reader_rates: np.ndarray
    model_rates: np.ndarray
    spread: float
    same_cells: bool
    criteria: list
    classes: list
    min_cells: int
    confidence_level: float

    def run(self, n_slides, n_cells, n_simulations, most_failures, seed):
        """Return the margins of the bias and the verdicts of simulated studies.

        It ends early when more than `most_failures` of them do not pass.

        Returns
        -------
        margins : ndarray of shape (n_simulations, n_classes)
        passed : ndarray of bool of shape (n_simulations, n_criteria)
        """
        rng, names = np.random.default_rng(seed), {name for _, name, _ in self.criteria}
        margins, passed = [], []
        for _ in range(n_simulations):
            counts, tables = self._draw(rng, n_slides, n_cells)
            measures = measure(counts, tables, names, self.confidence_level)
            margins.append([each.value for each in measures["margin"]])
            n_read = counts[:2].sum(axis=(0, 1)) / 2
            verdicts = decide_all(self.criteria, measures, n_read, self.classes, self.min_cells)
            passed.append([verdict == "pass" for _, verdict in verdicts])
            if (most_failures := most_failures - (not all(passed[-1]))) < 0:
                break
        return np.array(margins), np.array(passed)

    def _draw(self, rng, n_slides, n_cells):
        """Return counts and tables of a study, as `measure` takes them."""
        shares = rng.dirichlet(self.spread * self.shares, n_slides)
        factors = rng.gamma(_ERROR_SHAPE, 1 / _ERROR_SHAPE, n_slides)[:, None, None]
        reader, model = (_vary(x, factors) for x in (self.reader_rates, self.model_rates))
        if not self.same_cells:
            labeled = (np.einsum("st,sti->si", shares, x) for x in (reader, reader, model))
            return np.stack([rng.multinomial(n_cells, x) for x in labeled]), None
        joint = np.einsum("st,sti,stj,stk->sijk", shares, reader, reader, model)
        cells = rng.multinomial(n_cells, joint.reshape(n_slides, -1)).reshape(joint.shape)
        return count_joint(cells)


def count_joint(cells):
    """Return counts and tables, as `measure` takes them.

    Parameters
    ----------
    cells : ndarray of int of shape (n_slides, n_classes, n_classes, n_classes)
        Cells of each slide by the labels of the first reader, the second, and the model.

    Returns
    -------
    counts : ndarray of int of shape (3, n_slides, n_classes)
    tables : ndarray of int of shape (n_slides, n_classes, n_classes)
    """
    counts = np.stack([cells.sum(axis=axes) for axes in ((2, 3), (1, 3), (1, 2))])
    return counts, cells.sum(axis=2) + cells.sum(axis=1)


def _vary(rates, factors):
    """Return the rates of each slide, whose errors are multiplied by a factor."""
    errors = rates - np.eye(len(rates))
    # Of no class more than all cells can be errors.
    return np.eye(len(rates)) + np.minimum(factors, 1 / max(-errors.min(), 1e-9)) * errors


def error_rates(errors, shares, classes, name):
    """Return rates from a share of errors or a confusion matrix; see `plan_validation`."""
    if not np.isscalar(errors):
        matrix = check_confusion(errors, classes) + np.eye(len(classes)) * 1e-9
        return matrix / matrix.sum(axis=1, keepdims=True)
    if not 0 <= errors < 1:
        raise ValueError(f"`{name}` must be at least 0 and below 1, or a matrix; got {errors}.")
    return (1 - errors) * np.eye(len(shares)) + errors * shares
