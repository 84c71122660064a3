"""Untrained networks, sealed as if notebook 5 had compared them."""

import pandas as pd

from hms_utils import paths
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.images import VIEWS, drawing_version


def seal_untrained(folder, builders, *, reduce, views=VIEWS, drawn=VIEWS, n_folds=2):
    """Write untrained networks whose answers depend on their images, as notebook 5 does.

    Parameters
    ----------
    folder : Path
    builders : dict of str to (callable, float)
        What builds a network from the number of views and the shape of a tile, and by
        what its last weights are multiplied: without training answers hardly differ.
    reduce : tuple of int
        By what tiles are shrunk.
    views, drawn : sequence of str
        What the networks look at, of what is drawn.
    n_folds : int
    """
    from hms_utils import networks
    from hms_utils.networks.backend import keras

    for name, (build, factor) in builders.items():
        for fold in range(n_folds):
            keras.utils.set_random_seed(fold)
            model = build(len(views), (128 // reduce[0], 256 // reduce[1]))
            weights, bias = model.get_layer("logits").get_weights()
            model.get_layer("logits").set_weights([factor * weights, bias])
            path = folder / "models" / name / f"fold{fold}.keras"
            path.parent.mkdir(parents=True, exist_ok=True)
            model.save(path)
            key = {"data": "images", "views": list(views)}
            paths.write_record(path.with_suffix(".json"), {"key": key})
    train = folder / "spectrograms" / "train"
    drawn = {"reduce": reduce, "db_range": [-20, 40], "views": list(drawn)}
    drawn["code"] = drawing_version()
    paths.write_record(train / "settings.json", drawn)
    paths.write_record(train / "source.json", {"data": "/data", "synthetic": True})
    votes = pd.DataFrame([[1, 2, 3, 4, 5, 6]], columns=list(VOTE_COLUMNS))
    fitted = {
        name: {"temperature": 1.0 + 0.2 * k, "share": 1 / len(builders)}
        for k, name in enumerate(builders)
    }
    networks.seal(folder, fitted, votes.assign(n_votes=21), 10.0)
