"""Helpers of the HMS harmful brain activity notebooks, in rooms that follow the data.

===========  ==================================================================
``eeg``      tables and files of the competition, clinical files, the montage
``images``   from a window to an image: spectrograms, the cache on disk, folds
``scores``   the divergence as Kaggle computes it, scorecard, calibration, blend
``sample``   the synthetic data set
``networks`` the two networks, their training, the sealed ensemble, explanations
``plots``    figures
``answers``  the hidden test, submission, recordings over time, Kaggle's bundle
===========  ==================================================================

A room imports only rooms listed before it, and of these only what they export; each
says in its docstring what comes in, what goes out and which notebook uses it. All may
use `constants`, `paths`, `progress` and `threads`; `chain`, `report` and `cli` use all.

Importing the package imports none of them; only ``networks`` loads TensorFlow.
"""

__version__ = "0.1.0"
