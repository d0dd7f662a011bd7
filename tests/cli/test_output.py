import json

import numpy as np

from skblood.cli._output import to_json


def test_json_has_no_nan():
    document = {"a": np.array([1, np.nan]), "b": (float("inf"), np.float32(2)), 3: None}
    assert json.loads(to_json(document)) == {"a": [1, None], "b": [None, 2], "3": None}
