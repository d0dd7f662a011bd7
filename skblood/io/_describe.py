"""A backbone of a model in words, for cards and the command line; without torch."""

_SOURCES = {None: "random weights", "default": "its published weights"}
_SCRATCH = "from random weights (trained from scratch)"
_EXTENTS = {"all": "all of it", "head": "none of it"}


def describe_backbone(backbone):
    """Return name, first weights and trained part of a backbone as text.

    Parameters
    ----------
    backbone : dict
        A `skblood.networks.BackboneSpec` as a dict, as files have it.
    """
    name, weights, trained = (backbone.get(key) for key in ("name", "weights", "trained"))
    if name == "pixels":
        return f"dense layers on the pixels, {_SCRATCH}"
    if (weights, trained) == (None, "all"):
        return f"{name}, {_SCRATCH}"
    digest = backbone.get("weights_sha256")
    named = f"the weights of {str(weights).removeprefix('file:')}"
    source = _SOURCES.get(weights, named + (f" (SHA-256 {digest})" if digest else ""))
    extent = _EXTENTS.get(trained, f"its last {trained} stages")
    return f"{name}, from {source}, {extent} trained"
