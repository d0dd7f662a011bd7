"""What a classifier is and was trained on, for the page of its evaluation."""

from skblood._sklearn import innermost_model

_WEIGHTS = {None: "random weights", "default": "published weights"}


def describe_model(model):
    """Return facts on a fitted classifier by name, as text.

    Parameters
    ----------
    model : fitted classifier
        Of skblood or scikit-learn, or a Pipeline or search of these.

    Returns
    -------
    facts : dict of str to str
    """
    inner = innermost_model(model)
    names = [type(each).__name__ for each in (model, inner)]
    facts = {"classifier": " of ".join(dict.fromkeys(names))}
    if spec := getattr(inner, "spec_", None):
        used = [b for b in spec.backbones if b.name != "pixels"]
        networks = [f"{b.name}, from {_WEIGHTS.get(b.weights, b.weights)}" for b in used]
        height, width, n_channels = spec.image_shape
        crop = "" if spec.crop == 1 else f", crop {spec.crop:.4g}"
        facts["network"] = "; ".join(networks) or "dense layers on the pixels"
        facts["input"] = f"{height} x {width} px, {n_channels} channels{crop}"
    if data := getattr(inner, "training_data_", None):
        counts = ", ".join(f"{label} {n:,}" for label, n in data["class_counts"].items())
        facts["trained on"] = f"{data['n_images']:,} images: {counts}"
    if adaptation := getattr(inner, "adaptation_", None):
        facts["adapted"] = f"{' + '.join(adaptation.steps) or 'unchanged'}: {adaptation.reason}"
    if "trained on" not in facts and getattr(model, "classes_", None) is not None:
        facts["classes"] = ", ".join(map(str, model.classes_))
    return facts


def describe_batch(model, images, y_proba):
    """Return a warning if images are unlike those that a model was trained on, else ""."""
    if images is None or y_proba is None:
        return ""
    from skblood.uncertainty import find_other_batch

    if (check := find_other_batch(model, images, y_proba)) is None:
        return ""
    return (
        "The images are unlike those that the model was trained on, the predictions less sure and "
        f"the shares of the classes unusual ({check}): another laboratory, stain or frame?"
    )
