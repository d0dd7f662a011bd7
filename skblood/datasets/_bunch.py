"""What every loader returns."""

import numpy as np
from sklearn.utils import Bunch


def as_dataset(data, target, *, description, return_X_y, target_names=None, frame=None):
    """Return ``(data, target)``, or the Bunch that scikit-learn's loaders return.

    Parameters
    ----------
    data : ndarray of shape (n, h, w, c) or (n, h, w), dtype uint8; or of shape (n,), dtype str
        Images or paths.
    target : ndarray of shape (n,)
        Labels.
    description : str
        Source, licence and citation.
    return_X_y : bool
    target_names : sequence, default=None
        Labels that may occur, in order. None is those that do.
    frame : DataFrame with n rows, default=None
        What else is known of each image.
    """
    if return_X_y:
        return data, target
    names = np.unique(target) if target_names is None else np.asarray(target_names)
    kind = "paths" if data.ndim == 1 else "images"
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        frame=frame,
        DESCR=description,
        **{kind: data},
    )
