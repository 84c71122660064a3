"""Data sets in the competition's layout that are made here, for use without its files.

In comes a seed; out goes a synthetic data set (`generate`), beside which `read_truth` and
`read_planted` know, for scoring only, what its votes were drawn from and where its patterns
are. In come recordings and labels of one's own; out goes a data set of them
(`import_recordings`). `locate` finds the data or makes the sample: notebooks 1, 2 and 6
begin with it, 5 reads the truth.
"""

from hms_utils.sample.dataset import (
    generate,
    locate,
    read_planted,
    read_truth,
)
from hms_utils.sample.own import import_recordings

__all__ = ["generate", "import_recordings", "locate", "read_planted", "read_truth"]
