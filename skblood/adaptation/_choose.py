"""Which steps are taken, decided on the labelled cells by cross-validation."""

import copy
from dataclasses import dataclass

import torch

from ._cells import balance
from ._norms import has_statistics
from ._pseudo import add_pseudo_labels, choose_pseudo_labels
from ._report import join_steps
from ._steps import N_VIEWS, self_train, with_output, with_statistics
from ._tune import tune_network

_N_FOLDS = 4
# Labelled cells a class, on average, from which the whole network is tried.
_ENOUGH_TO_TUNE = 5
# Standard errors by which scores must differ: two cells more right and none less are enough, one
# is not.
_MARGIN = 1.25
# Without labels, the mean probability of the likeliest class from which a model is believed: one
# that does not know the cells becomes a little surer by wrong steps, too.
SURE = 0.8


@dataclass
class Base:
    """A network up to its output layer, and what that is given for the cells."""

    network: object
    labelled: torch.Tensor
    unlabelled: torch.Tensor


class LabelledChoice:
    """The candidates of an adaptation by labelled cells, and the choice among them.

    Parameters
    ----------
    network : CellNetwork
        Not changed.
    cells : Cells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training.
    """

    def __init__(self, network, cells, shares):
        self.cells = cells
        self.rows = cells.labelled
        self.codes = cells.codes[self.rows]
        self.bases = {False: self._base(network)}
        if has_statistics(network):
            self.bases[True] = self._base(with_statistics(network, cells, shares))
        self.folds = deal_folds(self.codes)
        self.tested = torch.nonzero(self.folds >= 0).flatten()

    def choose(self):
        """Return the adapted network, the steps to it, the reason, and the candidates' scores."""
        all_rows = torch.arange(len(self.rows))
        if not len(self.tested):
            steps = ("output",)
            reason = (
                "with one labelled cell a class nothing can be validated, so only the output layer "
                "was moved, and held close to what it was"
            )
            return self._fit(steps, all_rows), steps, reason, {}
        hits = {steps: self._validate(steps) for steps in self._candidates()}
        best = self._best(hits)
        if self._may_tune():
            deeper = (*best, "network")
            hits[deeper] = self._validate(deeper)
            if self._may_deepen(best, deeper, hits):
                best = deeper
        scores = {join_steps(steps): float(self._weights() @ hits[steps]) for steps in hits}
        return self._fit(best, all_rows), best, self._why(best, hits, scores), scores

    def _base(self, network):
        features = self.cells.features
        rest = self.cells.unlabelled
        unlabelled = features(network, rest, N_VIEWS) if len(rest) else None
        return Base(network, features(network, self.rows, N_VIEWS), unlabelled)

    def _may_tune(self):
        """Say whether there are cells enough for the whole network."""
        return len(self.rows) >= _ENOUGH_TO_TUNE * len(self.codes.unique())

    def _candidates(self):
        """Return the candidates without the whole network, the simplest first."""
        found = []
        for statistics in self.bases:
            first = ("statistics",) if statistics else ()
            found += [first, (*first, "output")]
            if len(self.cells.unlabelled):
                found += [(*first, "output", "self-training")]
        return sorted(found, key=len)

    def _fit(self, steps, train):
        """Return a new network after these steps with some of the labelled cells."""
        base = self.bases["statistics" in steps]
        network = copy.deepcopy(base.network)
        rows, codes = self.rows[train], self.codes[train]
        if "output" in steps:
            features = base.labelled[train]
            layer = with_output(network, features, codes)
            if "self-training" in steps:
                layer = self_train(network, layer, features, codes, base.unlabelled) or layer
            network.head[-1] = layer
        if "network" in steps:
            weights = balance(codes)
            if "self-training" in steps:
                sure, found = choose_pseudo_labels(network.head[-1], base.unlabelled)
                rows = torch.cat([rows, self.cells.unlabelled[sure.cpu()]])
                codes, weights = add_pseudo_labels(codes, found.cpu())
            tune_network(network, self.cells, rows, codes, weights)
        return network

    def _validate(self, steps):
        """Return, for each tested cell, the share of its views that are classified right.

        The statistics are of all cells, the held-out ones included: they are taken from pictures,
        and what a few of these change in them is little beside the old ones.
        """
        base = self.bases["statistics" in steps]
        hits = torch.zeros(len(self.rows))
        for fold in self.folds[self.tested].unique():
            test = torch.nonzero(self.folds == fold).flatten()
            network = self._fit(steps, torch.nonzero(self.folds != fold).flatten())
            if "network" in steps:
                features = self.cells.features(network, self.rows[test], N_VIEWS)
            else:
                features = base.labelled[test]
            with torch.no_grad():
                found = network.head[-1](features).argmax(2).cpu()
            hits[test] = (found == self.codes[test][:, None]).float().mean(1)
        return hits[self.tested]

    def _weights(self):
        return balance(self.codes[self.tested])

    def _best(self, hits):
        """Return the best of what clearly beats the old model; none if nothing does."""
        weights = self._weights()
        better = [steps for steps in hits if is_better(hits[steps], hits[()], weights)]
        return max(better, key=lambda steps: round(float(weights @ hits[steps]), 6), default=())

    def _may_deepen(self, best, deeper, hits):
        """Say whether the candidate with the network is taken.

        It must clearly beat the old model, but only not clearly lose to the best of the others: a
        quarter of the cells held out, it falls shorter than they of what it does with all.
        """
        weights = self._weights()
        beats_old = is_better(hits[deeper], hits[()], weights)
        return beats_old and not is_better(hits[best], hits[deeper], weights)

    def _why(self, best, hits, scores):
        if best:
            gain = scores[join_steps(best)] - scores[join_steps(())]
            return f"a clear gain in cross-validation, {gain:+.3f} against the model as it was"
        if float(hits[()].min()) == 1:
            return "the model as it was classifies all labelled cells right"
        return "no candidate clearly beats the model as it was"


def is_better(new, old, weights, margin=_MARGIN):
    """Say whether new scores, cell by cell, clearly beat the old ones."""
    difference = new - old
    mean = weights @ difference
    error = (weights.square() @ (difference - mean).square()).sqrt()
    return bool(mean > margin * error)


def deal_folds(codes):
    """Return the fold of each cell; -1 for the only one of a class, which is never held out."""
    counts = torch.bincount(codes)
    n_folds = max(2, min(_N_FOLDS, int(counts.max())))
    folds = torch.full_like(codes, -1)
    dealt = 0
    for code in torch.nonzero(counts >= 2).flatten():
        rows = torch.nonzero(codes == code).flatten()
        rows = rows[torch.randperm(len(rows))]
        folds[rows] = (dealt + torch.arange(len(rows))) % n_folds
        dealt += len(rows)
    return folds
