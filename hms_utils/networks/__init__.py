"""The networks: built, trained, sealed and explained. The only room that loads TensorFlow.

In come images, votes and folds; out go a network for each fold and the predictions of the
rows that it has not seen (`cross_validate`, `load_oof`), the sealed `Ensemble` that answers
recordings, and maps of what a network looks at with their tests. `NETWORKS` in `models` is
the table of networks. Notebooks 3 and 4 train, 5 seals and explains, 6 answers.
"""

from hms_utils.networks.cases import nearest_cases, shared_classes
from hms_utils.networks.ensemble import Ensemble, load_oof, seal
from hms_utils.networks.fitter import Stage
from hms_utils.networks.inputs import AUGMENTATIONS, augmentation_examples, make_dataset
from hms_utils.networks.maps import explain, planted_shares
from hms_utils.networks.models import NETWORKS
from hms_utils.networks.pace import measure_pace
from hms_utils.networks.training import cross_validate
from hms_utils.networks.weights import find_weights

__all__ = [
    "AUGMENTATIONS",
    "NETWORKS",
    "Ensemble",
    "Stage",
    "augmentation_examples",
    "cross_validate",
    "explain",
    "find_weights",
    "load_oof",
    "make_dataset",
    "measure_pace",
    "nearest_cases",
    "planted_shares",
    "seal",
    "shared_classes",
]
