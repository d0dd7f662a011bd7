"""All recipes by name, and what the field reached with other systems."""

from . import (
    asghar,
    batista_silva,
    battu,
    comparisons,
    halder,
    pineda_munoz,
    pramodha,
    veloz,
)

_PAPERS = (pineda_munoz, asghar, pramodha, batista_silva, battu, halder, veloz)
OF_PAPERS = {recipe.name: recipe for module in _PAPERS for recipe in module.RECIPES}
RECIPES = OF_PAPERS | {recipe.name: recipe for recipe in comparisons.RECIPES}

# System, number, and what it was measured on.
REFERENCES = (
    ("DenseNet-121 at 224 px (Doerrich et al. 2025)", "accuracy 99.02 ± 0.14", "BloodMNIST"),
    ("ResNet-18 at 28 px (MedMNIST v2)", "accuracy 95.8", "BloodMNIST"),
    ("best public single run at 28 px", "accuracy 97.8", "BloodMNIST"),
    ("perceptron on raw pixels", "accuracy 88.4", "BloodMNIST"),
    ("EfficientNet-B0", "accuracy 99.2, macro-F1 99.3", "PBC, split not known"),
    ("any of them, trained on PBC", "balanced accuracy 40 to 65", "another laboratory's images"),
)
