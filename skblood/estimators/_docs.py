"""Docstrings of parameters and attributes that the estimators share."""

import inspect
import re


class _Shared:
    """Parameters and attributes that several estimators have.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units of each hidden layer (ReLU) between the features and the output; () for none.
    dropout : float in [0, 1), default=0.3
        Share of units dropped after each hidden layer; without hidden layers, of the features.
    standardize : {"auto", "image"}, default="auto"
        Standardization of the pixels. "auto": by the mean and standard deviation of each channel
        that belong to the pretrained weights or, without these, of the training images. "image":
        by the darkest and the brightest spot of each image, which removes most of the effect of
        lamp, white balance, exposure and amount of stain.
    image_shape : tuple of int, default=None
        Shape that rows of flattened pixels are unflattened to: (height, width, channels) or
        (height, width), by numpy's reshape rules, one -1 included. None: square RGB, else square
        gray. Rows of height 1 are not images but numbers, which may have any value.
    image_size : int or (int, int), default=None
        Height and width that the network works at; images of any size are resized to it. None:
        the size that the backbone was made for; if it was made for any, the images' own, which
        must then be the same for all.
    crop : float in [0.01, 4], default=1.0
        Share of each side of an image that is kept, around the center, before it is resized; in
        steps of a thousandth. Above 1, the image is extended by its mirror images, so that the
        cell gets smaller. Rows of numbers are not cropped.
    interpolation : {"bilinear", "bicubic", "nearest"}, default="bilinear"
        Interpolation of resizing, with antialiasing, as in Pillow.
    augment : "cells", "stain", "laboratory", callable or None, default="cells"
        Random changes of the training images, drawn anew in each epoch: shifts, flips, mild
        color changes and, in three of ten images of 48 px or more, slightly other scale, focus and
        compression, so that cells which other software exported are recognized as well
        ("cells"); shifts, flips, other stains and light ("stain"); or everything that differs
        between laboratories ("laboratory"); see `skblood.augment`. A callable maps a float batch
        (n, c, h, w) in 0..1 to one of the same shape. Rows of numbers are changed by callables
        only.
    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or callable, default="adamw"
        Optimizer; "sgd" and "rmsprop" with a momentum of 0.9. Or an optimizer class of torch, or a
        `functools.partial` of one, which is called with parameter groups and `lr`.
    lr : float or "auto", default="auto"
        Learning rate, the highest of the schedule. "auto" is 5e-4 if pretrained weights are
        fine-tuned, else 3e-3.
    weight_decay : float, default=0.02
        Weight decay (L2 penalty in "adam", "sgd" and "rmsprop"); not of biases and normalization
        layers.
    lr_schedule : {"onecycle", "cosine"} or None, default="onecycle"
        Learning-rate schedule over all batches: one-cycle (Smith 2018), cosine annealing, or
        constant. Trainings of less than ten batches have a constant rate.
    batch_size : int, default=64
        Maximum number of images in a training batch; at least 2, for batch normalization. It does
        not affect prediction.
    max_epochs : int, default=20
        Maximum number of passes over the training images.
    loss : {"cross_entropy", "focal"}, default="cross_entropy"
        Loss function; "focal" (Lin et al. 2017, gamma 2) gives easy images less weight.
    label_smoothing : float in [0, 1), default=0.1
        Share of each target that is spread over all classes. Usually raises accuracy; makes
        probabilities less confident (Szegedy et al. 2016).
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss, as in scikit-learn.
    early_stopping : bool or int, default=False
        Validate after each epoch, on `X_val` or on a part of `X` that is set aside; stop after so
        many epochs without improvement (True is 10), and keep the weights of the best epoch: that
        of the highest `scoring`, among equals the lowest validation loss.
    validation_fraction : float in (0, 1), default=0.1
        Share of the distinct images to set aside; stratified, and copies of an image and images of
        one group stay on one side.
    scoring : str or callable, default="f1_macro"
        Scorer of scikit-learn for the validation images; of a callable, X are positions.
    callbacks : list of skorch callbacks, default=None
        Called during training. The list and its members are copied; what a member holds and cannot
        be copied, such as the open file of `TensorBoard`, is shared. Those of skorch work: scores,
        `EarlyStopping`, `Checkpoint`, `ProgressBar`, loggers, and `LRScheduler` with
        ``lr_schedule=None``. To them, labels are positions in `classes_`. See
        `skblood.TrainingCheckpoint`, with which an interrupted fit resumes.
    warm_start : bool, default=False
        Continue the training of the fitted network when `fit` is called again, with a fresh
        optimizer. What is trained may change, but not the network or the classes. With
        ``early_stopping``, the best of the new epochs is kept, which may be worse than the start.
        The crop that `adapt` or :func:`reconfigure` gave the network stays, unless `crop` changes.
    memory : None, str, path-like or `skblood.FeatureStore`, default=None
        Where decoded files and features are cached. A folder, which later runs and the processes
        of ``n_jobs=2`` share (16 GiB at most): image files are decoded once, and each image passes
        a frozen backbone once in all folds and candidates of a search. None: only features, in
        the memory of this process (1 GiB at most).
    device : str, default="auto"
        "auto" is CUDA if available, else MPS, else the CPU. Of several GPUs, each worker of a
        launcher, of Dask or of ``n_jobs=2`` takes one for itself. A named device, such as
        "cuda:1", is never replaced: where it is not available, it is an error.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of passes over images, in training and prediction: "auto" is bfloat16 (mixed
        precision) if the device has instructions for it. Rows of numbers, heads on features of
        frozen backbones, and on a CPU images that are higher than wide or at most 16 pixels wide
        are computed in float32.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, order, augmentation, dropout and the split of early stopping. On a CPU, the
        same seed gives the same model, whatever the order of the images. The global generators of
        numpy and torch are not used; None is fresh entropy.
    verbose : int, default=0
        1: progress bars of training, and of reading files that takes longer than a moment. 2: a
        line for each epoch, for logs.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; columns of `predict_proba` are in this order.
    spec_ : skblood.networks.NetworkSpec
        What the network is and what images it takes. Everything after `fit` reads it, and not the
        parameters, which are for the next `fit`.
    predictor_ : skblood.inference.Predictor
        Applies the network to images.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images that the network works on.
    n_features_in_ : int
        Number of columns of `X`, if it was a table or a DataFrame. Image arrays and lists of
        images have none.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns, if `X` was a DataFrame.
    net_ : skorch.NeuralNet
        The trained net; its `module_` is the torch network.
    history_ : skorch.history.History
        One entry for each epoch: `train_loss`, with validation `valid_loss` and
        ``valid_<scoring>``, and `dur`, the seconds it took.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        The epoch, counted from 1, whose weights the network has.
    training_data_ : dict
        `n_images`, `n_validation_images`, `class_counts` (label to number of images),
        `class_weights` (label to the sum of their weights, as they counted in the training),
        `fingerprint`, a SHA-256 of the decoded images with their classes, which does not depend on
        their order, and `cell_size`, the median of a sample of the white cells as a share of
        the side (`size` of :func:`skblood.measure_cells`), or None.
    fit_settings_ : dict of str to str
        Parameters of the fit, as text.
    device_ : str
        The device that it was trained on.
    """


def document(estimator):
    """Fill the shared parameters and attributes into the docstring of a class.

    They take the place of ``{shared}``, or without attributes of ``{parameters}``. Parameters that
    the class describes itself are left out.
    """
    # From Python 3.13 on, the compiler takes the indentation off.
    text, own_text = inspect.cleandoc(_Shared.__doc__), inspect.cleandoc(estimator.__doc__)
    parameters, attributes = text.split("\nAttributes\n")
    entries = dict(re.findall(r"^(\w+)( : .*?)(?=^\S|\Z)", parameters, re.M | re.S))
    own = set(re.findall(r"^(\w+) : ", own_text, re.M))
    names = [name for name in inspect.signature(estimator).parameters if name not in own]
    shared = "".join(f"{name}{entries[name]}" for name in names).strip()
    attributes = f"{shared}\n\nAttributes\n{attributes}".rstrip()
    estimator.__doc__ = own_text.format(parameters=shared, shared=attributes) + "\n"
    return estimator
