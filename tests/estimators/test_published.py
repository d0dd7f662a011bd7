"""What papers did, done by the parameters of the estimators."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skblood import HybridFeatureClassifier, TransferCellClassifier


class Notes(Callback):
    """Note the optimizers, what they remember as their phase begins, and the batches."""

    def __init__(self):
        self.optimizers, self.n_remembered, self.epochs = [], [], []

    def on_train_begin(self, net, **kwargs):
        self.optimizers.append(net.optimizer_)
        self.n_remembered.append(len(net.optimizer_.state))
        assert net.augment is None

    def on_epoch_begin(self, net, **kwargs):
        self.epochs.append([])

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        images, (codes, _) = batch
        if training:
            self.epochs[-1].append((images.clone(), codes.tolist()))

    def __deepcopy__(self, memo):
        return self  # the estimator copies callbacks, and the notes would be lost


@pytest.fixture(scope="module")
def hybrid(small):
    """Return the notes of the hybrid of Battu et al., on other backbones, and the classifier."""
    notes = Notes()
    clf = HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"),
        hidden_layer_sizes=(512,),
        dropout=0.5,
        optimizer="adam",
        lr=1e-4,
        lr_schedule=None,
        weight_decay=0,
        label_smoothing=0,
        augment=None,
        max_epochs=10,
        refine_epochs=5,
        batch_size=16,
        callbacks=[notes],
        random_state=0,
        device="cpu",
    )
    return notes, clf.fit(*small)


@pytest.fixture
def by_class(small):
    """(X, y), sorted by class, as the files of a folder are."""
    X, y = small
    order = np.argsort(y, kind="stable")
    return X[order], y[order]


class TestHybridOfBattu:
    def test_ten_epochs_and_five_more(self, hybrid):
        notes, clf = hybrid
        assert clf.n_iter_ == len(notes.epochs) == 15
        assert len(notes.optimizers) == 2

    def test_the_second_phase_has_a_fresh_adam(self, hybrid):
        """As compiling the model again does in Keras: no moments are left of the first phase."""
        notes, _ = hybrid
        first, second = notes.optimizers
        assert first is not second
        assert {type(each) for each in notes.optimizers} == {torch.optim.Adam}
        assert notes.n_remembered == [0, 0]

    def test_the_rate_is_constant_and_nothing_decays(self, hybrid):
        notes, clf = hybrid
        rates = {batch["lr"] for row in clf.history_ for batch in row["batches"]}
        assert rates == {1e-4}
        groups = [group for each in notes.optimizers for group in each.param_groups]
        assert {group["weight_decay"] for group in groups} == {0}

    def test_the_second_phase_goes_on_from_the_first(self, hybrid):
        """No jump of the loss, as fresh weights would make."""
        losses = hybrid[1].history_[:, "train_loss"]
        assert abs(losses[10] - losses[9]) < 0.5 * (losses[0] - losses[9])
        assert losses[14] < losses[9]

    def test_head_as_published(self, hybrid):
        head = hybrid[1].net_.module_.head
        assert [type(layer).__name__ for layer in head] == [
            "Linear",
            "ReLU",
            "Dropout",
            "OutputLayer",
        ]
        assert head[0].out_features == 512
        assert head[2].p == 0.5


class TestWithoutShuffling:
    def notes(self, X, y, shuffle):
        notes = Notes()
        TransferCellClassifier(
            "cellnet_t",
            shuffle=shuffle,
            augment=None,
            max_epochs=3,
            batch_size=8,
            callbacks=[notes],
            random_state=0,
            device="cpu",
        ).fit(X, y)
        return notes

    def test_each_epoch_takes_the_given_order(self, by_class):
        X, y = by_class
        for batches in self.notes(X, y, shuffle=False).epochs:
            pixels = torch.cat([images for images, _ in batches]).permute(0, 2, 3, 1)
            assert np.array_equal(pixels.numpy(), X)

    def test_whole_batches_have_one_class(self, by_class):
        X, y = by_class
        codes = [codes for _, codes in self.notes(X, y, shuffle=False).epochs[0]]
        n_mixed = sum(len(set(each)) > 1 for each in codes)
        assert n_mixed <= 2  # where one class ends and the next begins

    def test_shuffling_mixes_them_anew(self, by_class):
        epochs = self.notes(*by_class, shuffle=True).epochs
        orders = [[code for _, codes in batches for code in codes] for batches in epochs]
        assert all(one != other for one, other in pairwise(orders))
        assert all(len(set(codes)) > 1 for batches in epochs for _, codes in batches)
