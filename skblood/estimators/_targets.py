"""Labels of a fit: checked, and encoded as class codes."""

from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets

from skblood._labels import as_column, check_complete, encode_labels, sort_labels


def read_targets(estimator, y, name="y"):
    """Return y as a 1-D array of labels that can be sorted, none of them missing.

    Parameters
    ----------
    estimator : object
        Named in the message.
    y : array-like of shape (n,) or (n, 1)
    name : str
        Name of the argument, for messages.

    Returns
    -------
    y : ndarray of shape (n,)
    """
    if y is None:
        kind = type(estimator).__name__
        raise ValueError(f"{kind} requires {name} to be passed, but the target {name} is None.")
    y = as_column(y, name, warn=True)
    check_complete(y, name, "Leave these images out, or give them a label of their own.")
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name=name)
    sort_labels(y, name)  # raises for a mixture of types
    check_classification_targets(y)
    return y


def code_targets(y, classes=None):
    """Encode labels as positions in `classes`.

    Parameters
    ----------
    y : ndarray of shape (n,)
    classes : ndarray of shape (n_classes,), default=None
        Sorted labels; None takes those of `y`.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If there are less than two classes, or a label is not among them.
    """
    classes = sort_labels(y) if classes is None else classes
    if len(classes) < 2:
        raise ValueError(f"y holds one class only, {classes.tolist()}; give two or more classes.")
    return classes, encode_labels(y, classes)
