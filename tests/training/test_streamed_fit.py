"""Fits of a stream of images: as in memory, or refused."""

import threading

import numpy as np
import pytest
from skorch.callbacks import Callback

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    MLPCellClassifier,
    TrainingInterrupted,
    TransferCellClassifier,
)
from skblood.datasets import make_blood_cells
from skblood.images import Layout, StreamedImages
from skblood.training import InGivenOrder, NonFiniteLossError, TrainingCheckpoint
from skblood.training._streamed import StreamedSamples


@pytest.fixture(scope="module")
def cells():
    """Drawn cells of two classes, sorted by class."""
    X, y = make_blood_cells(
        96, image_size=16, class_weights={"platelet": 1, "neutrophil": 1}, random_state=0
    )
    order = np.argsort(y, kind="stable")
    return X[order], y[order]


@pytest.fixture
def stream(make_stream, cells):
    """The same in parts of 12, shuffled in a buffer of 60 images of 24 px."""
    return make_stream(cells[0], 12, buffer_bytes=60 * 1728)


def classifier(**options):
    options = {"max_epochs": 3, "random_state": 0, "batch_size": 16} | options
    return TransferCellClassifier("cellnet_t", **options)


def losses(clf):
    return clf.history_[:, "train_loss"]


class PressCtrlC(Callback):
    """Interrupt the second epoch."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class TestFit:
    def test_in_the_given_order_as_in_memory(self, stream, cells):
        X, y = cells
        options = {"augment": None, "callbacks": [InGivenOrder()], "class_weight": "balanced"}
        valid = {"X_val": X[::5] // 2, "y_val": y[::5]}
        streamed = classifier(**options).fit(stream, y, **valid)
        stored = classifier(**options).fit(list(stream), y, **valid)
        assert losses(streamed) == pytest.approx(losses(stored), rel=1e-5)
        assert np.allclose(streamed.predict_proba(X), stored.predict_proba(X), atol=1e-5)
        assert streamed.spec_ == stored.spec_
        summaries = streamed.training_data_, stored.training_data_
        ours, theirs = (each.pop("class_weights") for each in summaries)
        assert ours == pytest.approx(theirs)
        for summary in summaries:
            del summary["fingerprint"]
        assert summaries[0] == summaries[1]

    def test_sorted_shards_are_learned(self, stream, cells):
        clf = classifier(early_stopping=True, max_epochs=10).fit(stream, cells[1])
        assert clf.score(*cells) > 0.85
        assert clf.training_data_["n_validation_images"] == 10
        assert clf.training_data_["n_images"] == 86

    def test_seeded(self, stream, cells):
        first = classifier().fit(stream, cells[1])
        assert losses(classifier().fit(stream, cells[1])) == losses(first)
        assert losses(classifier(random_state=1).fit(stream, cells[1])) != losses(first)

    def test_validation_images_of_another_stream(self, stream, make_stream, cells):
        X, y = cells
        clf = classifier().fit(stream, y, X_val=make_stream(X[::5] // 2, 5), y_val=y[::5])
        assert len(clf.history_[:, "valid_loss"]) == 3
        with pytest.warns(UserWarning, match="20 images of X are among those of the validation"):
            classifier().fit(stream, y, X_val=make_stream(X[::5], 5), y_val=y[::5])

    def test_validation_images_of_another_size(self, stream, make_stream, cells):
        X, y = cells
        with pytest.warns(UserWarning, match="20 images of X are among those of the validation"):
            classifier(image_size=24).fit(stream, y, X_val=X[::5], y_val=y[::5])

    def test_groups_stay_together(self, stream, cells):
        groups = np.arange(96) % 7
        clf = classifier(early_stopping=True, validation_fraction=0.25, max_epochs=1)
        clf.fit(stream, cells[1], groups=groups)
        n_valid = clf.training_data_["n_validation_images"]
        assert clf.training_data_["n_images"] + n_valid == 96
        sizes = np.bincount(groups)
        assert n_valid in {sizes[0] + sizes[1], 2 * sizes[-1], sizes[0] + sizes[-1]}

    def test_trained_further(self, stream, cells):
        clf = classifier(warm_start=True).fit(*cells)
        before = clf.net_.module_.state_dict()
        clf.fit(stream, cells[1])
        assert clf.net_.module_.state_dict().keys() == before.keys()
        assert losses(clf)[0] < losses(classifier().fit(stream, cells[1]))[0]

    def test_mlp(self, stream, cells):
        clf = MLPCellClassifier((16,), max_epochs=2, random_state=0)
        assert clf.fit(stream, cells[1]).n_iter_ == 2


class TestInterruption:
    def test_ctrl_c_gives_the_model_so_far_and_leaves_no_thread(self, stream, cells):
        with pytest.raises(TrainingInterrupted) as caught:
            classifier(callbacks=[PressCtrlC()]).fit(stream, cells[1])
        assert caught.value.estimator.n_iter_ == 1
        assert [t for t in threading.enumerate() if t.name.startswith("skblood")] == []

    def test_resumed_to_the_bit(self, stream, cells, tmp_path, monkeypatch):
        whole = classifier().fit(stream, cells[1])
        checkpoint, original = TrainingCheckpoint(tmp_path), TrainingCheckpoint.on_epoch_end

        def interrupt(self, net, **kwargs):
            original(self, net)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(TrainingCheckpoint, "on_epoch_end", interrupt)
            with pytest.raises(TrainingInterrupted):
                classifier(callbacks=[checkpoint]).fit(stream, cells[1])
        assert len(list(tmp_path.iterdir())) == 1
        resumed = classifier(callbacks=[checkpoint]).fit(stream, cells[1])
        assert losses(resumed) == losses(whole)
        assert np.array_equal(resumed.predict_proba(cells[0]), whole.predict_proba(cells[0]))

    def test_positions_of_images_whose_loss_is_infinite(self, stream, cells):
        with pytest.raises(NonFiniteLossError) as caught:
            classifier(lr=1e30, lr_schedule=None, augment=None, optimizer="sgd").fit(
                stream, cells[1]
            )
        assert len(caught.value.positions) == 16
        assert set(caught.value.positions) <= set(range(96))


class TestRefused:
    @pytest.mark.parametrize(
        "clf",
        [
            TransferCellClassifier("cellnet_t", weights=None, trainable="head"),
            ContrastiveCellClassifier("cellnet_t", weights=None),
        ],
    )
    def test_frozen_backbones(self, clf, stream, cells, monkeypatch):
        with pytest.raises(ValueError, match="Features of frozen backbones are held"):
            clf.fit(stream, cells[1])

    def test_partial_fit(self, stream, cells):
        with pytest.raises(TypeError, match=r"fit of a classifier, or list\(X\)"):
            classifier().partial_fit(stream, cells[1], classes=["neutrophil", "platelet"])

    def test_several_processes(self, make_stream, cells):
        images = StreamedImages(make_stream(cells[0], 12), Layout(None, 1.0, "bilinear"))
        with pytest.raises(ValueError, match="by one process"):
            StreamedSamples(images, [], [], []).batches(8, "cpu", processes=object())

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "read_images"])
    def test_prediction(self, stream, cells, method):
        clf = classifier(max_epochs=1).fit(*cells)
        with pytest.raises(TypeError, match=r"list\(X\)"):
            getattr(clf, method)(stream)
        assert len(getattr(clf, method)(list(stream))) == 96

    def test_embedder(self, stream):
        with pytest.raises(TypeError, match=r"list\(X\)"):
            CellEmbedder("cellnet_t", weights=None).fit(stream)

    def test_too_few_images(self, stream, cells):
        with pytest.raises(ValueError, match="1 image is left"):
            classifier().fit(stream, cells[1], np.arange(96) < 1)

    def test_another_number_of_labels(self, stream, cells):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            classifier().fit(stream, cells[1][:-1])
