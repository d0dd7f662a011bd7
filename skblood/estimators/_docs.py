"""The docstrings of parameters and attributes that the classifiers share, written once."""

_PARAMETERS = {
    "image_shape": """tuple of int, default=None
        What rows of flattened pixels fold to: (height, width, channels) or (height, width), by
        numpy's reshape rules, one -1 included. None: square RGB, then square gray. A fold of
        height 1 is no image but a row of numbers, which may have any value.""",
    "crop": """float in [0.01, 4], default=1.0
        The share of each side of an image that is kept, around the centre, before it is resized;
        to a thousandth. Above 1, the image is continued by its mirror images, so that the cell
        gets smaller. Another laboratory may need another one; what `fit` was given is used until
        the next `fit`. Rows of numbers are never cropped.""",
    "image_size": """int or (int, int), default=None
        Height and width that the network works at; images of any size are brought to it. None:
        the size that the backbone was made for; where it was made for any, the images' own,
        which must then be one.""",
    "interpolation": """{"bilinear", "bicubic", "nearest"}, default="bilinear"
        How images of another size are brought to `image_size`; with antialiasing, as Pillow does
        it.""",
    "hidden_layer_sizes": """tuple of int, default=(256,)
        Units of each hidden layer (ReLU) between the features and the output; () for none.""",
    "dropout": """float in [0, 1), default=0.3
        Share of units dropped after each hidden layer; without one, of the features.""",
    "standardize": """{"auto", "image"}, default="auto"
        What the pixels are standardised by: "auto", the mean and the standard deviation of each
        channel that the weights were made with, or, where they are random, those of the training
        images; "image", the darkest and the brightest spot of each image, so that a
        laboratory's lamp, white balance, exposure and amount of stain hardly count.""",
    "augment": """"cells", "stain", "laboratory", callable or None, default="cells"
        Random changes of the training images, drawn anew in each epoch: moves and mild colours
        ("cells"), other stains and other light as well ("stain"), or all that differs from one
        laboratory to the next ("laboratory"); see `skblood.augment`. A callable maps a float batch
        (n, c, h, w) in 0..1 to one of the same shape. Rows of numbers are changed by callables
        only.""",
    "optimizer": """{"adam", "adamw", "sgd", "rmsprop"}, default="adamw"
        The optimizer, torch's.""",
    "lr": """float or "auto", default="auto"
        Learning rate, the highest one of the schedule. "auto" is 5e-4 where a pretrained backbone
        is trained on, whose weights larger steps would undo, else 3e-3.""",
    "weight_decay": """float, default=0.02
        Weight decay (L2 penalty in "adam", "sgd" and "rmsprop"); biases and normalisation layers
        do not decay.""",
    "momentum": """float in [0, 1), default=0.9
        Momentum of "sgd" and "rmsprop".""",
    "lr_schedule": """{"onecycle", "cosine"} or None, default="onecycle"
        How the learning rate changes, batch by batch: up and down (Smith 2018), down along a
        cosine, or not at all.""",
    "batch_size": """int, default=64
        Images in a training batch, at most; 2 or more, for batch normalisation. It has no part in
        prediction.""",
    "max_epochs": """int, default=20
        Passes over the training images, at most.""",
    "shuffle": """bool, default=True
        Draw the images of an epoch in random order; the result of a seeded fit then does not
        depend on the order in which they were given. False trains in the given order in each
        epoch: of files that are sorted by class, whole batches have one class.""",
    "loss": """{"cross_entropy", "focal"}, default="cross_entropy"
        The loss; "focal" (Lin et al. 2017, gamma 2) plays down what is easy.""",
    "label_smoothing": """float in [0, 1), default=0.1
        Share of each target that is spread over all classes (Szegedy et al. 2016). It makes better
        labels and more modest probabilities.""",
    "class_weight": """dict, "balanced" or None, default=None
        Weight of each class in the loss, as in scikit-learn.""",
    "early_stopping": """bool, default=False
        Validate after each epoch, on `X_val` or on a part of `X` that is set aside, stop when
        nothing gets better, and keep the weights of the best epoch. The best epoch has the
        highest `scoring`; among equals, the lowest validation loss.""",
    "validation_fraction": """float in (0, 1), default=0.1
        Share of the distinct images to set aside; stratified, seeded, and copies of an image (as
        oversampling makes them) stay on one side.""",
    "n_iter_no_change": """int, default=10
        Epochs without an improvement by `tol` after which training stops.""",
    "tol": """float, default=1e-4
        The improvement of `scoring` that counts.""",
    "scoring": """str or callable, default="f1_macro"
        Scikit-learn scorer for the validation images.""",
    "callbacks": """list of skorch callbacks, default=None
        Called during training, after our own. The list and its members are copied.""",
    "warm_start": """bool, default=False
        Go on from the former network when `fit` is called again, with a fresh optimizer.""",
    "checkpoint": """str, path-like or None, default=None
        A folder for the state of the training, which is written there after each epoch. A fit
        that was broken off goes on from it when it is called again with the same data and
        parameters, and on a CPU gives the same model as one that was not, to the bit. A fit that
        is complete removes its file. One folder may serve a whole search, and several processes.
        Not with `callbacks`; `partial_fit` writes none.""",
    "compile": """bool, default=False
        Compile the network by `torch.compile` for training. On a CPU this needs a C++ compiler. It
        takes a minute at the first batch, which only a long training earns back.""",
    "device": """str, default="auto"
        "auto" takes CUDA if there is one, else MPS, else the CPU. A device that is named and not
        there is an error.""",
    "precision": """{"auto", "float32", "bfloat16"}, default="auto"
        Precision of the passes over images, in training and prediction: "auto" is bfloat16 (mixed
        precision) where the device computes it in hardware. Rows of numbers, a head on the features
        of frozen backbones, and on a CPU images that are higher than wide or at most 16 pixels wide
        are always computed with in float32.""",
    "on_error": """{"raise", "skip"}, default="raise"
        What to do in a fit with image files that cannot be read: raise an error that names all of
        them, or leave them out with their labels and weights, with a warning that names all of
        them. Prediction always raises, since it owes each image a row.""",
    "n_views": """int, default=1
        Views of each training image whose features a head is trained on when all backbones are
        frozen: the image itself and ``n_views - 1`` random changes of it by `augment`, of which
        each visit draws one. The changes depend on the image alone, so they are stored, too.""",
    "memory": """None, str, path-like or `skblood.FeatureStore`, default=None
        Where what is costly to make of images is kept. A folder (a later run and the processes of
        ``n_jobs=2`` share it; 16 GiB at most): decoded image files, which thus are decoded once,
        and the features of frozen backbones, so that each image passes them once in all folds
        and candidates of a search; the temporary file of more than 512 MiB of decoded images is
        there, too. None: the features alone, in the memory of this process (1 GiB at most).""",
    "random_state": """int, RandomState instance or None, default=None
        Seeds weights, order, augmentation, dropout and the split of early stopping. On a CPU, the
        same seed gives the same model. Neither numpy's nor torch's global generator is touched;
        None takes fresh entropy.""",
    "verbose": """int, default=0
        1: progress bars with the time left: of training, and of reading files, if that takes longer
        than a moment. 2: a line for each epoch, as logs need it.""",
}

_ATTRIBUTES = """
    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; columns of `predict_proba` are in this order.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images that the network works on.
    n_features_in_ : int
        Width of a flattened image, as given to `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, when `X` was a DataFrame of numbers.
    net_ : skorch.NeuralNet
        The trained net; its `module_` is the torch network.
    history_ : skorch.history.History
        One entry for each epoch: `train_loss`, with validation `valid_loss` and
        ``valid_<scoring>``, and `dur`, the seconds it took.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        The epoch, counted from 1, whose weights the network has.
    training_data_ : dict
        What it was trained on: `n_images`, `n_validation_images`, `class_counts` (label to number
        of images), and `fingerprint`, a SHA-256 of the decoded images with their classes, which
        does not depend on their order.
    device_ : str
        The device that it was trained on."""


def document(estimator):
    """Fill the shared parameters and attributes into a class's docstring.

    A parameter that the class describes itself is left as it is.
    """
    fields = {name for name in _PARAMETERS if hasattr(estimator, name)}
    own = {
        line.split(" : ")[0].strip()
        for line in estimator.__doc__.splitlines()
        if line.startswith("    ") and " : " in line
    }
    parameters = "\n".join(
        f"    {name} : {text}" for name, text in _PARAMETERS.items() if name in fields - own
    )
    estimator.__doc__ = estimator.__doc__.format(
        parameters=parameters.lstrip(), shared=f"{parameters}\n{_ATTRIBUTES}".lstrip()
    )
    return estimator
