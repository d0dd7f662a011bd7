"""scikit-learn-style classifiers of single blood-cell images.

The public names, listed in ``__init__.pyi``, are loaded on first use: neither torch nor timm nor
matplotlib is imported before something needs it.
"""

import lazy_loader

from skblood._deprecation import former_names

__version__ = "0.1.0"

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_FORMER = {"SeenImagesWarning": "skblood.TrainingOverlapWarning"}
__getattr__ = former_names(__name__, _FORMER, since="0.1", otherwise=_load)
