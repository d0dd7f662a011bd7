"""Each parameter of each estimator is kept, or its loss is told."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import make_scorer, matthews_corrcoef
from skorch.callbacks import EpochScoring

import skblood
from skblood.augment import CellAugment
from skblood.estimators import CellModel

from .conftest import MAKERS

# What is not the default of each parameter, and keeps a model fittable or is set after the fit.
# A parameter that is not here makes a test fail: think of how it is saved, then add it.
VALUES = {
    "activation": "tanh",
    "augment": CellAugment(flip=False, rotation=10.5),
    "backbone": "cellnet_t",
    "backbones": ("cellnet_t", "cellnet_t"),
    "batch_size": np.int64(32),
    "crop": 0.5,
    "class_weight": {"lymphocyte": 2, np.str_("neutrophil"): np.float64(1.5), "platelet": 1.0},
    "compile": True,
    "device": "cpu",
    "dropout": 0.25,
    "early_stopping": True,
    "hidden_layer_sizes": (5, 4),
    "image_shape": (16, 16, 3),
    "standardize": "image",
    "predict_views": 4,
    "image_size": np.array([18, 20]),
    "interpolation": "bicubic",
    "label_smoothing": 0.05,
    "loss": "focal",
    "lr": np.float32(0.1),
    "lr_schedule": None,
    "max_epochs": 3,
    "momentum": 0.8,
    "n_iter_no_change": 4,
    "n_views": 2,
    "on_error": "skip",
    "optimizer": "sgd",
    "precision": "float32",
    "pretrain_epochs": 3,
    "pretrain_lr": 0.002,
    "projection_dim": 16,
    "random_state": 7,
    "refine_epochs": 0,
    "scoring": "accuracy",
    "shuffle": False,
    "temperature": 0.2,
    "tol": 0.01,
    "trainable": 1,
    "validation_fraction": np.float16(0.25),
    "verbose": True,
    "warm_start": True,
    "weight_decay": 0.1,
    "weights": Path("somewhere") / "weights.pth",
}
LEFT_OUT = {
    "augment": lambda batch: batch,
    "callbacks": [EpochScoring("accuracy")],
    "random_state": np.random.RandomState(0),
    "scoring": make_scorer(matthews_corrcoef),
}
FOLDERS = {"checkpoint", "memory"}
# Those that decide what the network is: set before the fit.
OF_THE_NETWORK = {"activation", "backbone", "backbones", "hidden_layer_sizes", "image_size"}
OF_THE_NETWORK |= {"trainable", "interpolation", "standardize", "predict_views", "crop"}

ESTIMATORS = [
    name
    for name in skblood.__all__
    if isinstance(found := getattr(skblood, name), type) and issubclass(found, CellModel)
]
PARAMETERS = [(e, p) for e in ESTIMATORS for p in getattr(skblood, e)().get_params()]


@pytest.fixture(scope="module")
def fitted_with(cells):
    """Return what gives a fitted estimator of a class, by its parameters; each is fitted once."""
    made = {}

    def get(estimator, **parameters):
        key = (estimator, repr(sorted(parameters.items())))
        if key not in made:
            own = getattr(skblood, estimator)().get_params()
            names = {"backbone", "backbones", "hidden_layer_sizes"} & set(own)
            quick = {name: VALUES[name] for name in names}
            short = {n: 1 for n in own if n.endswith("epochs")}
            quick |= short | {"device": "cpu", "random_state": 0}
            made[key] = getattr(skblood, estimator)(**quick | parameters).fit(*cells)
        return made[key]

    return get


def test_there_are_estimators():
    assert len(PARAMETERS) > 100
    assert set(ESTIMATORS) >= {"CellEmbedder", "MLPCellClassifier", "TransferCellClassifier"}


def test_no_value_is_stale():
    assert set(VALUES) | set(LEFT_OUT) | FOLDERS <= {name for _, name in PARAMETERS}


@pytest.mark.parametrize(("estimator", "name"), PARAMETERS)
def test_parameter(estimator, name, fitted_with, path, tmp_path):
    if name in FOLDERS:
        model, changed = fitted_with(estimator), {name: str(tmp_path)}
    else:
        assert name in {*VALUES, *LEFT_OUT}, "think of how this parameter is saved; see VALUES"
        value = VALUES.get(name)
        if name == "trainable" and estimator == "HybridFeatureClassifier":
            value = ("head", 1)
        own = {name: value} if name in OF_THE_NETWORK else {}
        model, changed = fitted_with(estimator, **own), {name: value}
    before = model.get_params()
    try:
        again = skblood.load(skblood.save(model.set_params(**changed), path))
    finally:
        model.set_params(**before)
    found = again.get_params()[name]
    if name in FOLDERS:
        assert found is None
    elif name == "augment":
        assert type(found) is CellAugment
        assert repr(found) == repr(value)
    elif name == "image_size":
        np.testing.assert_array_equal(found, value, strict=True)
    elif name == "weights":
        assert found == str(value)
    else:
        assert found == value
        assert type(found) is type(value.item() if isinstance(value, np.generic) else value)


class TestLeftOut:
    @pytest.mark.parametrize("name", LEFT_OUT)
    def test_one_warning_names_it(self, name, fitted, path, recwarn):
        model = MAKERS["mlp"]()
        default = type(model)().get_params()[name]
        vars(model).update(vars(fitted["mlp"]))
        skblood.save(model.set_params(**{name: LEFT_OUT[name]}), path)
        (warning,) = recwarn
        assert warning.category is UserWarning
        assert str(warning.message).startswith(f"{name} cannot be saved")
        assert warning.filename == __file__  # where save was called
        assert skblood.load(path).get_params()[name] == default
        assert skblood.load_info(path)["left_out"] == [name]

    def test_one_warning_for_several(self, cells, path):
        model = MAKERS["mlp"](**LEFT_OUT | {"augment": None}).fit(*cells)
        with pytest.warns(UserWarning, match="callbacks, random_state, scoring cannot") as caught:
            skblood.save(model, path)
        assert len(caught) == 1

    def test_a_class_derived_from_ours_of_augmentation_is_code(self, fitted, path):
        class Own(CellAugment):
            pass

        model = MAKERS["mlp"]()
        vars(model).update(vars(fitted["mlp"]), augment=Own())
        with pytest.warns(UserWarning, match="augment cannot be saved"):
            skblood.save(model, path)


class TestWhatCannotBeSaved:
    def test_a_parameter_that_decides_what_is_predicted(self, fitted, path):
        model = MAKERS["mlp"]()
        vars(model).update(vars(fitted["mlp"]), interpolation={1, 2})
        with pytest.raises(TypeError, match="of MLPCellClassifier: a set cannot"):
            skblood.save(model, path)
        assert not path.exists()

    def test_an_attribute_of_the_user(self, fitted, path):
        model = MAKERS["mlp"]()
        vars(model).update(vars(fitted["mlp"]), notes="mine")
        with pytest.raises(TypeError, match="an attribute notes, which is none of its own"):
            skblood.save(model, path)
