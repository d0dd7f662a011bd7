"""Prediction of images on which a classifier is scored."""

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from skblood._writing import show_progress
from skblood.images import ImageChunks
from skblood.pretrained import find_training_overlap, overlap_message, pretrained_weights


def predict_to_score(model, X):
    """Predict images, and look for training images among them, in one pass over the files.

    Parameters
    ----------
    model : CellClassifier
        Fitted.
    X : array-like or sequence
        Images, in any form that its `fit` takes.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes), dtype float64
    message : str or None
        Text of a `TrainingOverlapWarning`, if the pretrained weights that the model started from
        were trained on some of the images.
    """
    check_is_fitted(model)
    spec = model.spec_
    pretrained = spec.is_pixels and pretrained_weights(spec.backbones)
    chunks = model.iter_images(X, crops=[spec.crop, 1.0] if pretrained else [spec.crop])
    found = [np.zeros(0, bool)]

    def search():
        for images, *whole in chunks:
            found.extend(find_training_overlap(each.pixels, pretrained) for each in whole)
            yield images

    with show_progress(model.verbose == 1):
        logits = model.predictor_.logits(ImageChunks(len(chunks), search))
    return softmax(logits, axis=1), overlap_message(pretrained, np.concatenate(found))
