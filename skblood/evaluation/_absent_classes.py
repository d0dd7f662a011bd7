"""Text on classes without images, in an evaluation."""


def describe_absent(classes, confusion_matrix):
    """Return which classes have no image here, and which scores that moves."""
    support, n_predicted = confusion_matrix.sum(axis=1), confusion_matrix.sum(axis=0)
    absent = [str(label) for label, n in zip(classes, support, strict=True) if not n]
    text = (
        f"{len(absent)} of the model's {len(classes)} classes "
        f"{'has' if len(absent) == 1 else 'have'} no image here: {', '.join(absent)}. "
        "balanced_accuracy is the mean recall of the others. "
    )
    counts = zip(classes, support, n_predicted, strict=True)
    wrong = [f"{label} ({n:,})" for label, n_true, n in counts if n and not n_true]
    if not wrong:
        return f"{text}None is predicted, so that f1_macro leaves them out, too."
    return f"{text}f1_macro counts as 0 those that images are predicted as: {', '.join(wrong)}."
