"""What a recipe says: a system of a paper, in the parameters of an estimator."""

import math
from dataclasses import asdict, dataclass, field, replace

from skblood.training import InGivenOrder

from ._published import facts

# What our estimators do unless told otherwise and the papers did not, or do not say that they did.
AS_PUBLISHED = {
    "augment": None,
    "callbacks": None,
    "weight_decay": 0.0,
    "lr_schedule": None,
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "class_weight": None,
    "early_stopping": False,
}
# Of networks; a perceptron resizes in this way anyhow.
BILINEAR = {"interpolation": "bilinear"}
_EPOCHS = ("max_epochs", "refine_epochs", "pretrain_epochs")


@dataclass(frozen=True)
class Split:
    """How images are divided into those to train on, to validate on and to test on.

    Attributes
    ----------
    kind : {"shares", "folds", "given"}
        At random by shares; cross-validation, each fold tested once; or as the data set has it.
    val, test : float
        Shares of all images.
    stratified : bool
        Whether each part has the classes in the same proportions.
    n_folds : int
    """

    kind: str
    val: float = 0.0
    test: float = 0.0
    stratified: bool = True
    n_folds: int = 0

    def __str__(self):
        if self.kind == "given":
            return "the data set's own split"
        if self.kind == "folds":
            return f"{self.n_folds}-fold cross-validation"
        shares = [f"{100 * part:.0f}" for part in (1 - self.val - self.test, self.val, self.test)]
        return f"{'/'.join(shares)}, {'stratified' if self.stratified else 'not stratified'}"


SCALES = ("quick", "medium", "full")


@dataclass(frozen=True)
class Quick:
    """What a short form is cut down to: pixels of a side, images in all (None: all), and epochs."""

    image_size: int = 64
    n_images: int | None = 2_000
    max_epochs: int = 5


# All images, at most at 128 px; an hour of two cores for EfficientNet-Lite0.
MEDIUM = Quick(128, None, 10)


@dataclass(frozen=True)
class Recipe:
    """A row of a paper's table.

    Attributes
    ----------
    name : str
        What the command line calls it.
    paper : str
    system : str
        What is trained, for a reader.
    estimator : str
        A class of skblood.
    parameters : dict
        All that the paper says, and what our defaults do otherwise.
    published : dict of str to float
        Score by name; empty if the paper gives none.
    place : str
        Where the number stands, and what it was measured on if that is not the test images.
    difference : str
        The difference between the paper's protocol and ours that matters most.
    short : str
        The same in a word or two.
    split : Split
    contradiction : str
        Where the paper contradicts itself.
    display : str
        What of the package shows the paper's figures and tables.
    resampling : {"smote"} or None
        SMOTE on the pixels of the training images.
    pretrained : bool
        Whether the network starts from weights trained on ImageNet.
    merged : bool
        Whether the paper adds the images of Raabin-WBC.
    on_all : bool
        Whether the paper measured on all images, those of training included.
    assumed : str
        Settings that the paper does not give, and were chosen.
    quick : Quick
    """

    name: str
    paper: str
    system: str
    estimator: str
    parameters: dict
    published: dict
    place: str
    difference: str
    split: Split
    short: str = ""
    contradiction: str = ""
    display: str = ""
    resampling: str | None = None
    pretrained: bool = False
    merged: bool = False
    on_all: bool = False
    assumed: str = ""
    quick: Quick = field(default_factory=Quick)

    def without_shuffling(self, **changes):
        """Return the same recipe, trained in the order in which a folder is read."""
        name = f"{self.name}-unshuffled"
        return replace(
            self,
            name=name,
            system=f"{self.system}, without shuffling",
            parameters={**self.parameters, "callbacks": [InGivenOrder()], **changes},
            **facts(name),
        )

    def limits(self, scale):
        """Return what the recipe is cut down to at a scale, or None."""
        return {"quick": self.quick, "medium": MEDIUM, "full": None}[scale]

    def scaled(self, scale):
        """Return the recipe at a scale, and what was cut down for it as text."""
        given, limits = self.parameters, self.limits(scale)
        if limits is None:
            return self, ""
        shrunk = {"image_size": min(given["image_size"], limits.image_size)}
        # Epochs of a frozen backbone cost next to nothing once its features are computed.
        if scale != "medium" or given.get("trainable") != "head":
            share = min(1, limits.max_epochs / given["max_epochs"])
            shrunk |= {key: math.ceil(given[key] * share) for key in _EPOCHS if given.get(key)}
        changed = {key: value for key, value in shrunk.items() if value != given[key]}
        cuts = [f"{key} {value} instead of {given[key]}" for key, value in changed.items()]
        cuts += [f"{limits.n_images} images at most"] if limits.n_images else []
        return replace(self, parameters={**given, **changed}), "; ".join(cuts)

    def to_dict(self):
        """Return what decides the result, as JSON has it."""
        keys = ("estimator", "parameters", "split", "resampling", "pretrained", "merged", "on_all")
        found = {key: value for key, value in asdict(self).items() if key in keys}
        found["parameters"] = {k: _as_text(v) for k, v in self.parameters.items()}
        return found


def _as_text(value):
    """Return classes and callbacks by their names, in place of themselves."""
    if isinstance(value, list):
        return [type(each).__name__ for each in value]
    return value.__name__ if isinstance(value, type) else value
