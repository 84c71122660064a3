"""The synthetic data set, for use without the competition's files.

In comes a seed; out goes a folder in the competition's layout (`generate`), beside which
`read_truth` and `read_planted` know, for scoring only, what its votes were drawn from and
where its patterns are. `locate` finds the data or makes the sample:
notebooks 1, 2 and 6 begin with it, 5 reads the truth.
"""

from hms_utils.sample.dataset import (
    generate,
    locate,
    read_planted,
    read_truth,
)

__all__ = ["generate", "locate", "read_planted", "read_truth"]
