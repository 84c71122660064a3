"""What is known of the real data, which the sample is held to."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, VOTE_COLUMNS, WELL_VOTED
from hms_utils.eeg import bipolar, vote_shares
from hms_utils.scores import kl_divergence

# The real table's figures, each with the tolerance within which a large sample
# must lie. Ratios are factors, everything else is a difference. Sources: the
# competition's train.csv, and for agreement Jing et al., Neurology 2023, whose
# panel saw another choice of windows: hence the wider tolerance.
REAL_TABLE = {
    **{
        f"consensus of rows, {name}": (share, 0.06)
        for name, share in zip(CLASSES, (0.196, 0.139, 0.156, 0.156, 0.177, 0.176), strict=True)
    },
    **{
        f"mean vote share at >= 10 votes, {name}": (share, 0.035)
        for name, share in zip(CLASSES, (0.050, 0.183, 0.123, 0.077, 0.090, 0.478), strict=True)
    },
    "mean vote share at 3-9 votes, Seizure": (0.413, 0.05),
    "rows with 3 votes": (0.485, 0.06),
    "rows with >= 10 votes": (0.373, 0.04),
    "EEGs with >= 10 votes": (0.348, 0.03),
    "rows of an EEG, median": (3, 1),
    "rows of an EEG, mean": (6.25, 1),
    "distinct votes of an EEG": (1.18, 0.05),
    "EEGs of a spectrogram": (1.53, 0.08),
    "KL of uniform, all rows": (1.466, 0.05),
    "KL of uniform, >= 10 votes": (1.138, 0.06),
    "KL of class prior, all rows": (1.302, 0.06),
    "KL of class prior, >= 10 votes": (0.949, 0.06),
    "KL of own prior, >= 10 votes": (0.850, 0.06),
    "pairwise agreement, >= 10 votes": (0.52, 0.08),
    **{
        f"agreement on {name}, >= 10 votes": (share, 0.18)
        for name, share in zip(CLASSES, (0.52, 0.68, 0.67, 0.54, 0.61, 0.50), strict=True)
    },
}
# Size of the 16 differences: median over 22 real recordings, openly licensed, of
# these percentiles of each. A sample's must lie within a factor of 1.5.
REAL_AMPLITUDES = {50: 13.9, 90: 37.2, 99: 74.8}  # µV
REAL_FILES = {
    "NaN share of EEG values": (0.0012, 0.0008),
    "NaN share of spectrogram values": (0.024, 0.012),
}


def table_figures(rows):
    """Return the figures of `REAL_TABLE` for a train table, a dict of name to float."""
    votes = rows[list(VOTE_COLUMNS)].to_numpy()
    n_votes = pd.Series(votes.sum(axis=1), rows.index)
    consensus = np.bincount(votes.argmax(axis=1), minlength=6) / len(votes)
    distinct = rows.drop_duplicates(["eeg_id", *VOTE_COLUMNS])
    shares = vote_shares(distinct)
    prior = shares.mean(axis=0)
    well = shares[(n_votes[distinct.index] >= WELL_VOTED).to_numpy()]
    few = rows[(n_votes >= 3) & (n_votes < WELL_VOTED)].drop_duplicates("eeg_id")
    many = rows[n_votes >= WELL_VOTED].drop_duplicates("eeg_id")
    panel = many[list(VOTE_COLUMNS)].to_numpy()
    pairs, experts = panel * (panel - 1), panel.sum(axis=1)
    agreement = (pairs / (experts - 1)[:, None]).sum(axis=0) / panel.sum(axis=0)
    uniform = np.full(6, 1 / 6)

    def kl(target, constant):
        return kl_divergence(target, np.tile(constant, (len(target), 1)))

    per_eeg = rows.groupby("eeg_id").size()
    return {
        **{f"consensus of rows, {c}": s for c, s in zip(CLASSES, consensus, strict=True)},
        **{
            f"mean vote share at >= 10 votes, {c}": s
            for c, s in zip(CLASSES, vote_shares(many).mean(axis=0), strict=True)
        },
        "mean vote share at 3-9 votes, Seizure": vote_shares(few)[:, 0].mean(),
        "rows with 3 votes": (n_votes == 3).mean(),
        "rows with >= 10 votes": (n_votes >= WELL_VOTED).mean(),
        "EEGs with >= 10 votes": len(many) / len(per_eeg),
        "rows of an EEG, median": per_eeg.median(),
        "rows of an EEG, mean": per_eeg.mean(),
        "distinct votes of an EEG": len(distinct) / len(per_eeg),
        "EEGs of a spectrogram": len(per_eeg) / rows.spectrogram_id.nunique(),
        "KL of uniform, all rows": kl(shares, uniform),
        "KL of uniform, >= 10 votes": kl(well, uniform),
        "KL of class prior, all rows": kl(shares, prior),
        "KL of class prior, >= 10 votes": kl(well, prior),
        "KL of own prior, >= 10 votes": kl(well, well.mean(axis=0)),
        "pairwise agreement, >= 10 votes": (pairs.sum(axis=1) / (experts * (experts - 1))).mean(),
        **{f"agreement on {c}, >= 10 votes": s for c, s in zip(CLASSES, agreement, strict=True)},
    }


def amplitude_percentiles(eeg):
    """Return the percentiles of `REAL_AMPLITUDES` of the 16 differences' size, (3,), µV."""
    signals = bipolar(eeg)
    size = np.abs(signals - np.nanmean(signals, axis=1, keepdims=True))
    return np.nanpercentile(size, list(REAL_AMPLITUDES))
