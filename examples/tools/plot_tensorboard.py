"""
Watching a training in TensorBoard
==================================

A training of hours should be watched: is the loss falling, is it diverging, is it time to stop?
skorch's callback :class:`~skorch.callbacks.TensorBoard` writes the losses and scores of each epoch
to a file that TensorBoard shows in the browser while the training goes on.

Install it by ``pip install tensorboard``. ``callbacks`` takes any callback of skorch; the guide
:doc:`/user_guide/long_training` has checkpoints, and how an interrupted training resumes.
"""

# %%
# Two trainings
# -------------
# Each has its own folder. One has a learning rate that is ten times too high.
import tempfile
from pathlib import Path

from skorch.callbacks import TensorBoard
from torch.utils.tensorboard import SummaryWriter

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells, train_val_test_split

X, y = make_blood_cells(500, image_size=28, random_state=0)
X_train, X_val, _, y_train, y_val, _ = train_val_test_split(X, y, random_state=0)
folder = Path(tempfile.mkdtemp())
for lr in (3e-3, 3e-2):
    TransferCellClassifier(
        "cellnet_t",
        image_size=28,
        batch_size=16,
        lr=lr,
        max_epochs=10,
        callbacks=[TensorBoard(SummaryWriter(folder / f"lr={lr}"))],
        random_state=0,
    ).fit(X_train, y_train, X_val=X_val, y_val=y_val)

# %%
# In the browser
# --------------
# .. code-block:: bash
#
#    tensorboard --logdir FOLDER
#
# It lists both trainings under the names of their folders.

# %%
# The same curves here
# --------------------
# The files can also be read in Python, for a picture in a paper.
import matplotlib.pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for run, style in zip(sorted(folder.iterdir()), ["o-", "s--"]):
    events = EventAccumulator(str(run)).Reload()
    for ax, tag in zip(axes, ["Loss/valid_loss", "Loss/valid_f1_macro"]):
        points = events.Scalars(tag)
        ax.plot([p.step for p in points], [p.value for p in points], style, label=run.name)
        ax.set(xlabel="epoch", ylabel=tag)
print(events.Tags()["scalars"])
axes[0].legend()
plt.show()
