"""Choice of the steps: by cross-validation on labelled cells, or by safeguards without labels."""

import copy
from functools import partial
from types import SimpleNamespace

import torch

from ._account import join_steps
from ._batch_norm import distance_of_statistics, has_statistics, with_target_statistics
from ._fine_tuning import MIN_CONFIDENCE, fine_tune, fit_output_layer, pseudo_label
from ._target_cells import balanced_weights

_N_FOLDS = 4
# Mean number of labelled cells a class from which the network is trained.
_MIN_CELLS_TO_FINE_TUNE = 5
# Standard errors by which scores must differ: two cells more right and none less are enough, one
# is not.
_MARGIN = 1.25

# Number of cells from which an adaptation without labels is tried.
_MIN_UNLABELLED = 20
# Share of the predicted classes that a step may lose.
_MAX_CLASS_LOSS = 0.1
# Distance of the statistics (see `distance_of_statistics`) from which new ones are always mixed in.
# In simulated laboratories that did no harm from there on; below, it helped or harmed, and did no
# harm where the model became more confident.
_FAR = 0.1


def is_clearly_better(new, old, weights, margin=_MARGIN):
    """Return whether the weighted mean of new scores exceeds that of old ones.

    Parameters
    ----------
    new, old : torch.Tensor of shape (n,)
        Score of each cell.
    weights : torch.Tensor of shape (n,)
        They sum to 1.
    margin : float
        Standard errors of the difference that must be exceeded.
    """
    difference = new - old
    mean = weights @ difference
    error = (weights.square() @ (difference - mean).square()).sqrt()
    return bool(mean > margin * error)


class LabelledChoice:
    """Candidates with labels, and the choice among them by cross-validation.

    Parameters
    ----------
    network : CellNetwork
        Not changed.
    cells : TargetCells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training set.
    log : callable
        Takes a line of text for each stage.
    uncropped : TargetCells, default=None
        The cells at the crop of the model as it was given, if `cells` have another one; then "crop"
        is the first step of all candidates.
    """

    def __init__(self, network, cells, shares, log, uncropped=None):
        self.cells, self.uncropped, self.log = cells, uncropped, log
        self.start = () if uncropped is None else ("crop",)
        self.rows = cells.labelled
        self.codes = cells.codes[self.rows]
        self.bases = {False: self._base(network)}
        if has_statistics(network):
            self.bases[True] = self._base(with_target_statistics(network, cells, shares))
        self.folds = assign_folds(self.codes)
        self.tested = torch.nonzero(self.folds >= 0).flatten()
        self.weights = balanced_weights(self.codes[self.tested])

    def _base(self, network):
        """Return the network, and inputs of its output layer, of unlabelled and labelled cells."""
        rest = self.cells.unlabelled
        unlabelled = self.cells.features(network, rest) if len(rest) else None
        return network, unlabelled, self.cells.features(network, self.rows)

    def choose(self):
        """Return the adapted network, its steps, the reason and the candidates' scores."""
        all_rows = torch.arange(len(self.rows))
        if not len(self.tested):
            steps = (*self.start, "output")
            reason = "one labelled cell a class leaves nothing to validate on: output layer only"
            return self._fit(steps, all_rows), steps, reason, {}
        hits = {steps: self._validate(steps) for steps in self._candidates()}
        beats = partial(is_clearly_better, weights=self.weights)
        better = [steps for steps in hits if beats(hits[steps], hits[self.start])]
        # Rounded, so that of equal ones the first is taken: that with fewest steps.
        means = {steps: round(float(self.weights @ hits[steps]), 6) for steps in hits}
        best = max(better, key=means.get, default=self.start)
        if len(self.rows) >= _MIN_CELLS_TO_FINE_TUNE * len(self.codes.unique()):
            deeper = (*best, "network")
            hits[deeper] = self._validate(deeper)
            # Fitted without a quarter of the cells, it loses more than the others do. So it need
            # not beat them, only not lose clearly.
            if beats(hits[deeper], hits[self.start]) and not beats(hits[best], hits[deeper]):
                best = deeper
        self.log(f"fit to all labelled cells: {join_steps(best)}")
        network = self._fit(best, all_rows)
        if self.uncropped is not None:
            original = self.bases[False][0]
            features = self.uncropped.features(original, self.rows)
            hits = {(): self._hits(original, features, all_rows)[self.tested], **hits}
        scores = {join_steps(steps): float(self.weights @ hits[steps]) for steps in hits}
        first = "the model at its new crop" if self.start else "the unchanged model"
        reason = f"no candidate clearly beats {first}"
        if best != self.start:
            gain = scores[join_steps(best)] - scores[join_steps(self.start)]
            reason = f"a clear gain in cross-validation, {gain:+.3f} over {first}"
        return network, best, reason, scores

    def _candidates(self):
        """Return the candidates without the step "network", those of few steps first."""
        statistics = [(), ("statistics",)][: len(self.bases)]
        output = [(), ("output",), ("output", "self-training")]
        output = output if len(self.cells.unlabelled) else output[:2]
        found = [(*self.start, *first, *last) for first in statistics for last in output]
        return sorted(found, key=len)

    def _fit(self, steps, train):
        """Return a new network after these steps, fitted to labelled cells `train`."""
        network, unlabelled, labelled = self.bases["statistics" in steps]
        network, old = copy.deepcopy(network), network.head[-1]
        rows, codes, features = self.rows[train], self.codes[train], labelled[train]
        weights = balanced_weights(codes)
        if "output" in steps:
            network.head[-1] = fit_output_layer(old, features, codes, weights)
        if "self-training" in steps:
            chosen, *pseudo = pseudo_label(network.head[-1], unlabelled, codes)
            features = torch.cat([features, unlabelled[chosen]])
            network.head[-1] = fit_output_layer(old, features, *pseudo)
            chosen, codes, weights = pseudo_label(network.head[-1], unlabelled, codes)
            rows = torch.cat([rows, self.cells.unlabelled[chosen]])
        if "network" in steps:
            fine_tune(network, self.cells, rows, codes, weights)
        return network

    def _validate(self, steps):
        """Return the share of correctly classified views of each tested cell when held out.

        The statistics are those of all cells, including those held out: they need no labels, and
        a few cells change them little.
        """
        self.log(f"cross-validation of: {join_steps(steps)}")
        hits = torch.zeros(len(self.rows))
        for fold in self.folds[self.tested].unique():
            test = torch.nonzero(self.folds == fold).flatten()
            network = self._fit(steps, torch.nonzero(self.folds != fold).flatten())
            features = self.bases["statistics" in steps][2][test]
            if "network" in steps:
                features = self.cells.features(network, self.rows[test])
            hits[test] = self._hits(network, features, test)
        return hits[self.tested]

    @torch.no_grad()
    def _hits(self, network, features, rows):
        """Return the share of correctly classified views of each labelled cell in `rows`."""
        found = network.head[-1](features).argmax(2).cpu()
        return (found == self.codes[rows][:, None]).float().mean(1)


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


@torch.no_grad()
def describe_predictions(network, features, distance=0.0):
    """Return a network, and what its predictions for cells without labels look like.

    Parameters
    ----------
    network : CellNetwork
    features : torch.Tensor of shape (n, n_views, d)
        Inputs of its output layer.
    distance : float, default=0.0
        Distance of the statistics of the cells from those that the network had before.

    Returns
    -------
    state : SimpleNamespace
        The arguments, and

        agreement : torch.Tensor of shape (n,)
            Share of the views of each cell that get the class with the highest mean probability.
        n_predicted : float
            Effective number of predicted classes: the exponential of the entropy of the mean
            prediction.
        confidence : float
            Mean probability of the predicted class.
    """
    state = SimpleNamespace(network=network, features=features, distance=distance)
    probabilities = network.head[-1](features).softmax(2)
    mean = probabilities.mean(1)
    agree = probabilities.argmax(2) == mean.argmax(1)[:, None]
    state.agreement = agree.float().mean(1).cpu()
    state.n_predicted = float(torch.special.entr(mean.mean(0)).sum().exp())
    state.confidence = float(mean.amax(1).mean())
    return state


def adapt_without_labels(network, cells, shares, log):
    """Return the adapted network, its steps, the reason and no scores.

    Parameters
    ----------
    network : CellNetwork
        Not changed.
    cells : TargetCells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training set.
    log : callable
        Takes a line of text for each stage.
    """
    rows = cells.unlabelled
    if len(rows) < _MIN_UNLABELLED:
        reason = f"{len(rows)} cells without labels are too few; give {_MIN_UNLABELLED} or more"
        return network, (), reason, {}
    state, steps, notes = describe_predictions(network, cells.features(network, rows)), (), []
    for step, move in {"statistics": _mix_statistics, "self-training": _self_train}.items():
        log(f"without labels: {step}")
        moved, refusal = move(state, cells, shares)
        refusal = refusal or refuse_step(step, state, moved)
        if refusal:
            notes.append(f"{step} refused: {refusal}")
        else:
            state, steps = moved, (*steps, step)
            notes.append(f"{step} taken: views agree in {float(state.agreement.mean()):.1%}")
    return state.network, steps, "; ".join(notes), {}


def _mix_statistics(state, cells, shares):
    """Return the state after new statistics, and why there is none."""
    if not has_statistics(state.network):
        return None, "the network has no batch normalization"
    x = cells.prepare(state.network, cells.sample())
    distance = distance_of_statistics(state.network, x)
    network = with_target_statistics(state.network, cells, shares)
    return describe_predictions(network, cells.features(network, cells.unlabelled), distance), ""


def _self_train(state, cells, shares):
    """Return the state after self-training, and why there is none."""
    network = copy.deepcopy(state.network)
    rows, *pseudo = pseudo_label(network.head[-1], state.features, cells.codes[:0])
    if not len(rows):
        return None, "no prediction is confident"
    network.head[-1] = fit_output_layer(network.head[-1], state.features[rows], *pseudo)
    return describe_predictions(network, state.features), ""


def refuse_step(step, before, after):
    """Return why a step is refused, or an empty string.

    New statistics lower the confidence in wrong predictions, but also in right ones. So they are
    refused if they lower it and the cells are near the training images. Self-training is refused if
    the model is not confident even in what it taught itself, or if views of a cell agree less often
    afterwards, as they do where it goes wrong.
    """
    confidence = f"the mean confidence would be {after.confidence:.1%}"
    if step == "statistics" and after.distance < _FAR and after.confidence <= before.confidence:
        near = f"the cells are only {after.distance:.2f} variances away from the training images"
        return f"{near}, and {confidence}, not {before.confidence:.1%}"
    if step == "self-training" and after.confidence < MIN_CONFIDENCE:
        return f"{confidence}, below {MIN_CONFIDENCE:.0%}"
    weights = torch.full_like(before.agreement, 1 / len(before.agreement))
    is_worse = is_clearly_better(before.agreement, after.agreement, weights)
    if step == "self-training" and is_worse:
        return f"views of a cell would agree less often, in {float(after.agreement.mean()):.1%}"
    old, new = before.n_predicted, after.n_predicted
    is_narrow = new < (1 - _MAX_CLASS_LOSS) * old
    return f"predictions would spread over {new:.1f} classes, not {old:.1f}" if is_narrow else ""
