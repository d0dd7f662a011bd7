"""Choice between the output layer as it is, with new biases, and fitted as a whole."""

from dataclasses import dataclass
from functools import partial

import torch

from ._features import logits_of
from ._output_layer import fit_layer
from ._partial_labels import balanced_weights

_N_FOLDS, _N_REPEATS = 4, 2
# Standard errors by which a step must be worse in cross-validation to be refused.
_MARGIN = 1.0


@dataclass(frozen=True)
class ChosenLayer:
    """An output layer, and why it was chosen.

    Attributes
    ----------
    step : {"", "bias", "output"}
    layer : torch.Tensor of shape (n_classes, d + 1), float64
        Fitted to all labelled cells.
    reason : str
    scores : dict of str to float
        Balanced accuracy after each step in cross-validation; empty with one cell a class.
    """

    step: str
    layer: torch.Tensor
    reason: str
    scores: dict


def choose_layer(layer, features, codes, shares, unlabelled, right):
    """Return the output layer as it is, with new biases, or fitted as a whole.

    Parameters
    ----------
    layer : torch.Tensor of shape (n_classes, d + 1), float64
        Weights and, in the last column, biases, for classes of equal shares.
    features : torch.Tensor of shape (n, n_views, d), float64
        Inputs of the layer for several views of each labelled cell; view 0 is what is predicted
        from.
    codes : torch.Tensor of shape (n,)
        Class codes.
    shares : torch.Tensor of shape (n_classes,)
        Shares of the classes among the cells to come; 0 if one cannot occur.
    unlabelled : torch.Tensor of shape (m, d), float64, or None
        Inputs of the layer for cells without a label.
    right : torch.Tensor of shape (n,), float64
        1 where the model is right as it is, 0 where it is wrong.

    Returns
    -------
    chosen : ChosenLayer
    """
    fits = {
        "bias": partial(fit_layer, layer, shares=shares, only_biases=True),
        "output": partial(fit_layer, layer, shares=shares, unlabelled=unlabelled),
    }
    folds = [assign_folds(codes) for _ in range(_N_REPEATS)]
    tested = folds[0] >= 0
    if not tested.any():
        fitted = fits["output"](features=features, codes=codes)
        return ChosenLayer("output", fitted, "output: one cell a class leaves none to validate", {})
    weights = balanced_weights(codes[tested])
    best, hits, scores, reasons = "", right, {}, []
    for step, fit in fits.items():
        new = torch.zeros(len(codes), dtype=torch.double)
        for test in [fold == i for fold in folds for i in fold[tested].unique()]:
            fitted = fit(features=features[~test], codes=codes[~test])
            found = (logits_of(fitted, features[test, 0]) + shares.log()).argmax(1)
            new[test] += (found == codes[test]).double() / _N_REPEATS
        scores[step] = float(weights @ new[tested])
        mean, error = mean_and_error((new - hits)[tested], weights)
        is_taken = mean >= -_MARGIN * error
        verdict = "taken" if is_taken else "refused"
        note = ", not clearly worse" if is_taken and mean < 0 else ""
        reasons.append(f"{step} {verdict}: balanced accuracy {mean:+.3f} in cross-validation{note}")
        best, hits = (step, new) if is_taken else (best, hits)
    fitted = fits[best](features=features, codes=codes) if best else layer
    return ChosenLayer(best, fitted, "; ".join(reasons), scores)


def assign_folds(codes):
    """Return the fold of each cell; -1 for the only cell of a class, which is never held out."""
    counts = torch.bincount(codes)
    n_folds = max(2, min(_N_FOLDS, int(counts.max())))
    folds = torch.full_like(codes, -1)
    n_assigned = 0
    for code in torch.nonzero(counts >= 2).flatten():
        rows = torch.nonzero(codes == code).flatten()
        rows = rows[torch.randperm(len(rows))]
        folds[rows] = (n_assigned + torch.arange(len(rows))) % n_folds
        n_assigned += len(rows)
    return folds


def mean_and_error(values, weights):
    """Return the weighted mean of values, and its standard error."""
    mean = weights @ values
    return float(mean), float((weights.square() @ (values - mean).square()).sqrt())
