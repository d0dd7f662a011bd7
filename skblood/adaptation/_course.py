"""The steps of an adaptation, one after the other, and what speaks for and against each."""

import numpy as np
import torch
from scipy.special import stdtrit

from skblood._writing import announce
from skblood.estimators import (
    assumed_prior,
    given_factors,
    reconfigure,
    replace_network,
    training_shares,
)
from skblood.networks import batch_norms

from ._account import Adaptation, join_steps
from ._batch_norm import with_target_statistics
from ._output_choice import choose_layer, mean_and_error
from ._output_layer import (
    extract_features,
    extract_random_views,
    logits_of,
    output_layer,
    with_output_layer,
)
from ._partial_labels import balanced_weights

# Random views of each labeled cell.
_N_VIEWS = 4
# Cells from which statistics are taken or unlabeled ones learned from; and, of many, how many.
_FEWEST, _MOST = 20, 300
# Pixels that statistics are taken from in one batch, which holds the maps of all of them.
_MOST_PIXELS = 2**22
# Confidence level at which labels must speak against a measured crop.
_LEVEL = 0.977


class Course:
    """Steps of an adaptation to the cells of another laboratory.

    Parameters
    ----------
    model : CellClassifier
        As it was given; not changed.
    images : CellImages
        The cells, at the crop of the model.
    codes : torch.Tensor of shape (n,)
        Class code of each cell; -1 without a label.
    groups : torch.Tensor of shape (n,)
        Code of each cell's group.
    """

    def __init__(self, model, images, codes, groups):
        self._model, self._images, self._codes = model, images, codes
        self._labelled, self._others = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        self._labels = codes[self._labelled]
        self._groups = groups[self._labelled].unique(return_inverse=True)[1]
        self._weights = balanced_weights(self._labels)
        self._steps, self._reasons, self._scores = (), [], {}
        self._features = self._see(model, images)
        self._note_score()

    def take_crop(self, images, frame):
        """Look at the measured crop, unless the labels speak clearly against it."""
        if images is None:
            self._reasons += [] if frame is None else [f"crop kept: {frame}"]
            return
        announce(f"adapt: crop: {frame}")
        cropped = reconfigure(self._model, crop=frame.crop)
        features = self._see(cropped, images)
        # Cells of a single group are better evidence than none.
        groups = self._groups if self._groups.any() else torch.arange(len(self._labels))
        n = len(groups.unique())
        if n > 1:
            mean, error = mean_and_error(self._gain(features), self._weights, groups)
            # Of few groups more must agree. The second factor, because the error divides by n.
            if mean < -stdtrit(n - 1, _LEVEL) * (n / (n - 1)) ** 0.5 * error:
                self._reasons.append(f"crop={frame.crop:g} refused: the labels speak against it")
                return
        self._images, self._features = images, features
        self._take("crop", str(frame), cropped)

    def take_prior(self, classes, prior):
        """Rule out classes, and assume shares of the others, if they are given."""
        if classes is not None or prior is not None:
            model = reconfigure(self._model, classes=classes, prior=prior)
            self._take("prior", "classes and shares as given", model)

    def mix_statistics(self):
        """Mix the statistics of batch normalization, if the predictions become better or surer."""
        network = self._model.predictor_.network
        if not batch_norms(network) or len(self._images) < _FEWEST:
            return
        announce("adapt: statistics")
        height, width, _ = self._model.spec_.image_shape
        most = min(_MOST, max(_FEWEST, _MOST_PIXELS // (height * width)))
        rows = np.sort(torch.randperm(len(self._images))[:most])
        images, shares = self._images[rows], torch.from_numpy(training_shares(self._model)).float()
        mixed = with_target_statistics(network, images.pixels, self._codes[rows], shares)
        mixed = replace_network(self._model, self._model.spec_, mixed)
        features = self._see(mixed, self._images)
        if len(self._labels):
            gain = float(self._weights @ self._gain(features))
        else:
            gain = _confidence(mixed, images) - _confidence(self._model, images)
        which = "right" if len(self._labels) else "predicted"
        change = f"mean probability of the {which} class {gain:+.3f}"
        if gain <= 0:
            self._reasons.append(f"statistics refused: {change}")
            return
        self._features = features
        self._take("statistics", change, mixed)

    def fit_outputs(self):
        """Fit the output layer, or only its biases, to the labeled cells."""
        if len(self._labels.unique()) < 2:
            one = "outputs not fitted: all labeled cells are of one class"
            self._reasons += [one] if len(self._labels) else []
            return
        announce("adapt: output layer")
        model, others = self._model, None
        if len(self._others) >= _FEWEST:
            rows = self._others[torch.randperm(len(self._others))[:_MOST]]
            others = extract_features(model.predictor_, self._images[rows])
        images = self._images[self._labelled]
        views = extract_random_views(model.predictor_, images, _N_VIEWS)
        layer, shares = output_layer(model), torch.from_numpy(training_shares(model))
        layer[:, -1] -= shares.log()
        features = torch.stack([self._features, *views], 1)
        groups = self._groups if len(self._groups.unique()) < len(self._labels) else None
        shares = _expected_shares(model)
        found = choose_layer(layer, features, self._labels, shares, others, self._right(), groups)
        for step, score in found.scores.items():
            self._scores[join_steps((*self._steps, step))] = score
        self._reasons.append(found.reason)
        if found.step:
            self._steps = (*self._steps, found.step)
            self._model = with_output_layer(model, found.layer)

    def finish(self):
        """Return the adapted model, with the account of the adaptation."""
        adapted, prior = reconfigure(self._model), assumed_prior(self._model)
        counts = np.bincount(self._labels, minlength=len(adapted.classes_)).tolist()
        former = adapted.adaptation_.steps if hasattr(adapted, "adaptation_") else ()
        adapted.adaptation_ = Adaptation(
            (*former, *self._steps),
            "; ".join(self._reasons) or f"without labels, {_FEWEST} cells or more are needed",
            self._scores,
            dict(zip(adapted.classes_.tolist(), counts, strict=True)),
            len(self._others),
        )
        # Factors are relative to the shares that the outputs assume: now equal ones, maybe.
        return adapted if prior is None else reconfigure(adapted, prior=prior)

    def _see(self, model, images):
        """Return features of the labeled cells, if there are any."""
        if len(self._labels):
            return extract_features(model.predictor_, images[self._labelled])
        return None

    def _logits(self, features):
        logits = logits_of(output_layer(self._model), features)
        return logits + torch.tensor(self._model.spec_.log_factors)

    def _gain(self, features):
        """Return by how much other features raise the probability of each cell's right class."""
        old, new = (self._logits(each).softmax(1) for each in (self._features, features))
        return (new - old)[range(len(self._labels)), self._labels]

    def _right(self):
        return (self._logits(self._features).argmax(1) == self._labels).double()

    def _take(self, step, why, model):
        self._model, self._steps = model, (*self._steps, step)
        self._reasons.append(f"{step}: {why}")
        self._note_score()

    def _note_score(self):
        if len(self._labels):
            self._scores[join_steps(self._steps)] = float(self._weights @ self._right())


def _confidence(model, images):
    """Return the mean probability of the predicted class."""
    predictor = model.predictor_.with_spec(model.spec_.with_one_view())
    return float(torch.from_numpy(predictor.logits(images)).softmax(1).amax(1).mean())


def _expected_shares(model):
    """Return the shares of the classes among the cells to come; equal ones without a prior."""
    factors, prior = given_factors(model), assumed_prior(model)
    shares = np.ones(len(model.classes_)) if factors is None else (factors > 0).astype(float)
    shares = shares if prior is None else np.array([*prior.values()])
    return torch.from_numpy(shares / shares.sum())
