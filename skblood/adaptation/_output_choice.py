"""Choice between the output layer as it is, with new biases, and fitted as a whole."""

import warnings
from dataclasses import dataclass
from functools import partial

import torch
from sklearn.model_selection import StratifiedGroupKFold

from ._output_layer import fit_layer, logits_of
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
        Fitted to all labeled cells.
    reason : str
    scores : dict of str to float
        Balanced accuracy after each step in cross-validation; empty if nothing can be validated.
    """

    step: str
    layer: torch.Tensor
    reason: str
    scores: dict


def choose_layer(layer, features, codes, shares, unlabeled, right, groups=None):
    """Return the output layer as it is, with new biases, or fitted as a whole.

    Parameters
    ----------
    layer : torch.Tensor of shape (n_classes, d + 1), float64
        Weights and, in the last column, biases, for classes of equal shares.
    features : torch.Tensor of shape (n, n_views, d), float64
        Inputs of the layer for several views of each labeled cell; view 0 is what is predicted
        from.
    codes : torch.Tensor of shape (n,)
        Class codes.
    shares : torch.Tensor of shape (n_classes,)
        Shares of the classes among the cells to come; 0 if one cannot occur.
    unlabeled : torch.Tensor of shape (m, d), float64, or None
        Inputs of the layer for cells without a label.
    right : torch.Tensor of shape (n,), float64
        1 where the model is right as it is, 0 where it is wrong.
    groups : torch.Tensor of shape (n,), default=None
        Group of each cell: all of its cells are held out together. None: each is its own.

    Returns
    -------
    chosen : ChosenLayer
    """
    fits = {
        "bias": partial(fit_layer, layer, shares=shares, only_biases=True),
        "output": partial(fit_layer, layer, shares=shares, unlabeled=unlabeled),
    }
    splits = _split(codes, groups)
    n_tests = sum((scored.double() for _, scored in splits), torch.zeros(len(codes)).double())
    tested = n_tests > 0
    if not tested.any():
        fitted = fits["output"](features=features, codes=codes)
        what = "cell" if groups is None else "group"
        reason = f"output: one {what} a class leaves none to validate"
        return ChosenLayer("output", fitted, reason, {})
    weights = balanced_weights(codes[tested])
    how = "in cross-validation" if groups is None else "in cross-validation of whole groups"
    best, hits, scores, reasons = "", right, {}, []
    for step, fit in fits.items():
        new = torch.zeros(len(codes), dtype=torch.double)
        for train, scored in splits:
            fitted = fit(features=features[train], codes=codes[train])
            found = (logits_of(fitted, features[scored, 0]) + shares.log()).argmax(1)
            new[scored] += (found == codes[scored]).double() / n_tests[scored]
        scores[step] = float(weights @ new[tested])
        units = (torch.arange(len(codes)) if groups is None else groups)[tested]
        mean, error = mean_and_error((new - hits)[tested], weights, units)
        is_taken = mean >= -_MARGIN * error
        verdict = "taken" if is_taken else "refused"
        note = ", not clearly worse" if is_taken and mean < 0 else ""
        reasons.append(f"{step} {verdict}: balanced accuracy {mean:+.3f} {how}{note}")
        best, hits = (step, new) if is_taken else (best, hits)
    fitted = fits[best](features=features, codes=codes) if best else layer
    return ChosenLayer(best, fitted, "; ".join(reasons), scores)


def _split(codes, groups):
    """Return the cells to fit and those to score, as masks, of each fold of each repeat.

    A held-out cell is scored if its class has cells among those to fit.
    """
    splits = []
    for _ in range(_N_REPEATS):
        folds = assign_folds(codes) if groups is None else assign_group_folds(codes, groups)
        for fold in folds[folds >= 0].unique():
            train = folds != fold
            splits.append((train, ~train & torch.isin(codes, codes[train])))
    return [(train, scored) for train, scored in splits if scored.any()]


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


def assign_group_folds(codes, groups):
    """Return the fold of each cell, that of its group, with classes spread evenly; -1 if none."""
    n_folds = min(_N_FOLDS, int(torch.bincount(codes).max()), len(groups.unique()))
    if n_folds < 2:
        return torch.full_like(codes, -1)
    seed, folds = int(torch.randint(2**31, ())), torch.zeros_like(codes)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings(action="ignore"):  # of classes with few cells
        splits = list(splitter.split(codes, codes.numpy(), groups.numpy()))
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    return folds


def mean_and_error(values, weights, groups):
    """Return the weighted mean of values, and its standard error, of which groups are the units."""
    mean = weights @ values
    parts = torch.zeros(int(groups.max()) + 1).double()
    parts.index_add_(0, groups, weights * (values - mean))
    return float(mean), float(parts.square().sum().sqrt())
