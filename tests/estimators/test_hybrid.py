"""Several backbones, two phases, and the system of Battu et al. 2024."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback


class Notes(Callback):
    """Note the optimizers, and what they remember as their phase begins."""

    def __init__(self):
        self.optimizers, self.n_remembered = [], []

    def on_train_begin(self, net, **kwargs):
        self.optimizers.append(net.optimizer_)
        self.n_remembered.append(len(net.optimizer_.state))
        assert net.augment is None

    def __deepcopy__(self, memo):
        return self  # callbacks are copied, and the notes would be lost


def test_system_of_battu(make_hybrid, small):
    notes = Notes()
    clf = make_hybrid(
        hidden_layer_sizes=(512,),
        dropout=0.5,
        optimizer="adam",
        lr=1e-4,
        lr_schedule=None,
        weight_decay=0,
        augment=None,
        max_epochs=10,
        refine_epochs=5,
        callbacks=[notes],
    ).fit(*small)
    assert clf.n_iter_ == 15
    # The second phase has a fresh Adam, as after a second compilation in Keras.
    first, second = notes.optimizers
    assert first is not second
    assert {type(first), type(second)} == {torch.optim.Adam}
    assert notes.n_remembered == [0, 0]
    assert {batch["lr"] for row in clf.history_ for batch in row["batches"]} == {1e-4}
    groups = [group for each in notes.optimizers for group in each.param_groups]
    assert {group["weight_decay"] for group in groups} == {0}
    # It continues from the weights of the first.
    losses = clf.history_[:, "train_loss"]
    assert abs(losses[10] - losses[9]) < 0.5 * (losses[0] - losses[9])
    head = clf.net_.module_.head
    names = [type(layer).__name__ for layer in head]
    assert names == ["Linear", "ReLU", "Dropout", "OutputLayer"]
    assert (head[0].in_features, head[0].out_features, head[2].p) == (2 * 48, 512, 0.5)


@pytest.mark.parametrize("schedule", ["onecycle", None])
def test_phases(make_hybrid, small, schedule, capsys):
    options = {"lr_schedule": schedule, "max_epochs": 4, "verbose": 1}
    clf = make_hybrid(refine_epochs=4, **options).fit(*small)
    rates = [rate for epoch in clf.history_[:, "batches", :, "lr"] for rate in epoch]
    assert rates[:12] == pytest.approx(rates[12:])  # the schedule starts anew
    assert capsys.readouterr().err.count("epoch 4/4") >= 2  # each phase counts its own epochs
    single = make_hybrid(refine_epochs=0, **options).fit(*small)
    assert single.history_[:, "train_loss"] == clf.history_[:4, "train_loss"]


def test_best_epoch_is_of_both_phases(make_hybrid, small):
    scores = iter([0.1, 0.9, 0.5, 0.2])
    options = {"early_stopping": True, "validation_fraction": 0.25, "refine_epochs": 2}
    clf = make_hybrid(scoring=lambda *args: next(scores), **options).fit(*small)
    assert (clf.best_epoch_, clf.n_iter_) == (2, 4)


def test_settings_for_each_backbone(make_hybrid, make_transfer, small, tmp_path):
    body = make_transfer().fit(*small).net_.module_.backbones[0].body.state_dict()
    file = tmp_path / "cellnet_t.pth"
    torch.save(body, file)
    options = {"weights": [None, file], "lr": 0.01}
    clf = make_hybrid(trainable=["all", "head"], **options).fit(*small)
    start = make_hybrid(trainable="head", **options).fit(*small)
    for i, same in enumerate([False, True]):
        before, after = (c.net_.module_.backbones[i].body.state_dict() for c in (start, clf))
        assert all(torch.equal(before[k], after[k]) for k in before) == same
    assert all(torch.equal(after[k], body[k]) for k in body)
    assert [each.weights for each in clf.spec_.backbones] == [None, "file:cellnet_t.pth"]
    three = make_hybrid(backbones=["cellnet_t"] * 3, max_epochs=1).fit(*small)
    assert three.net_.module_.head[0].in_features == 3 * 48


def test_arrays_of_settings(make_hybrid, small):
    clf = make_hybrid(backbones=np.array(["cellnet_t", "cellnet_t"]), trainable=(1, np.int64(2)))
    spec = clf.fit(*small).spec_
    assert [each.trained for each in spec.backbones] == [1, 2]
    assert {type(each.name) for each in spec.backbones} == {str}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbones": ("cellnet_t",)}, "two or more names.*use TransferCellClassifier"),
        ({"weights": [None]}, "weights=.* has 1 entries for 2 backbones; give one for all"),
        ({"trainable": ["all"] * 3}, "trainable=.* has 3 entries for 2 backbones"),
        ({"trainable": ["all", 1.5]}, "trainable"),
        ({"trainable": ["all", 5]}, "trainable=5, .*4 stages"),
        ({"backbones": ("cellnet_t", "cellnet_x")}, "backbone='cellnet_x' is no.*Did you mean"),
    ],
    ids=["one", "weights", "trainable", "entry", "stages", "name"],
)
def test_errors(make_hybrid, small, params, message):
    with pytest.raises(ValueError, match=message):
        make_hybrid(**params).fit(*small)
