"""Former names: they work, warn, and name the present ones."""

import inspect
import pickle
import subprocess
import sys
from importlib import import_module

import pytest
from sklearn.base import clone

import skblood
from skblood import TransferCellClassifier
from skblood._deprecation import former_names, former_parameters
from skblood.auditing import AuditReport
from skblood.augment import BackgroundAugment, CellAugment
from skblood.datasets import make_blood_cells
from skblood.uncertainty import OutlierDetector


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("skblood", "SeenImagesWarning", skblood.TrainingOverlapWarning),
        ("skblood.pretrained", "SeenImagesWarning", skblood.TrainingOverlapWarning),
        ("skblood.pretrained", "load_pretrained", skblood.load_pretrained),
    ],
)
def test_names_of_modules(module, old, new):
    module = import_module(module)
    with pytest.warns(FutureWarning, match=f"{old} was renamed to skblood.{new.__name__} in") as w:
        assert getattr(module, old) is new
    assert w[0].filename == __file__  # the line of the user


def test_a_former_name_can_be_imported_and_is_not_listed():
    with pytest.warns(FutureWarning, match=r"0\.1 and will be removed in skblood 0\.3") as w:
        from skblood import SeenImagesWarning
    assert [each.filename for each in w] == [__file__]  # once
    assert SeenImagesWarning is skblood.TrainingOverlapWarning
    assert "SeenImagesWarning" not in {*skblood.__all__, *dir(skblood)}


def test_unknown_names_stay_unknown():
    for module in (skblood, import_module("skblood.pretrained")):
        with pytest.raises(AttributeError, match="Unseen"):
            module.Unseen  # noqa: B018
    with pytest.raises(AttributeError, match="module 'a' has no attribute 'c'"):
        former_names("a", {"b": "a.d"}, since="0.1")("c")


def test_the_helper_loads_nothing_heavy():
    code = "import sys, skblood; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("kind", [CellAugment, BackgroundAugment, OutlierDetector])
class TestColour:
    def test_is_color(self, kind):
        with pytest.warns(FutureWarning, match=f"colour= of {kind.__name__} was renamed") as w:
            assert kind(colour=0.25).color == 0.25
        assert w[0].filename == __file__

    def test_both(self, kind):
        with pytest.raises(TypeError, match="Give color= alone"):
            kind(colour=0.25, color=0.25)

    def test_signature_and_copies_are_as_before(self, kind):
        assert "colour" not in inspect.signature(kind).parameters
        assert "color" in inspect.signature(kind).parameters
        assert pickle.loads(pickle.dumps(kind(color=0.25))).color == 0.25


def test_clone_of_a_decorated_estimator():
    assert clone(OutlierDetector(color=0.25)).color == 0.25


def test_decorated_functions_pass_what_they_are_given():
    @former_parameters(since="1.0", old="new")
    def function(first, *, new=1):
        return first, new

    assert function(3) == (3, 1)
    with pytest.warns(FutureWarning, match=r"will be removed in skblood 1\.2. Use new=\."):
        assert function(3, old=2) == (3, 2)


def test_findings_of_training_images():
    with pytest.warns(FutureWarning, match=r"AuditReport.seen was renamed to training_overlap"):
        assert AuditReport([], [], []).seen == []


def test_fitted_attributes():
    X, y = make_blood_cells(16, image_size=16, random_state=0)
    clf = TransferCellClassifier("cellnet_t", crop=0.75, max_epochs=1, random_state=0)
    assert not hasattr(clf, "crop_")
    clf.fit(X, y)
    with pytest.warns(FutureWarning, match=r"TransferCellClassifier.crop_ was renamed to spec_\."):
        assert clf.crop_ == clf.spec_.crop == 0.75
    with pytest.warns(FutureWarning, match="image_size_"):
        assert clf.image_size_ == clf.spec_.image_size
