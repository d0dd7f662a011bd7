"""Stand-ins for functions that the estimators are about to have."""

import copy

from sklearn.base import clone


def read_at_crops(model, X, crops):
    """Return the images of X at each crop."""
    if hasattr(model, "_reframe"):
        images = []
        for crop in crops:
            framed = copy.deepcopy(model)
            if crop != model.crop_:
                framed._reframe(crop)
            images.append(framed.read_images(X))
        return images
    return model.read_images(X, crops=crops)


def replace_network(model, spec, network):
    """Return a copy of a fitted model with another spec and network."""
    adapted = clone(model)
    own = vars(model).keys() - model.get_params(deep=False).keys() - {"net_"}
    vars(adapted).update(copy.deepcopy({name: vars(model)[name] for name in own}))
    best_epoch = model.best_epoch_
    adapted._adopt(network)
    adapted.best_epoch_ = best_epoch
    if spec.crop != adapted.crop_:
        adapted._reframe(spec.crop)
    return adapted
