"""Clinical EDF and BDF files: their electrodes, and their samples part by part through MNE."""

import math
import re
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy import signal

from hms_utils.constants import CHAINS, EEG_COLUMNS, ELECTRODES, SFREQ

PACKAGES = "the packages mne and edfio: pip install mne edfio"

_NEW_NAMES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
_LABEL = re.compile(r"(?:(?:EEG|POL|E|P)[\s_.:-]*)?([A-Z]{1,2}[0-9Z])(?:[\s_.:/-]+(.*))?")
# What clinics write behind an electrode's name.
_REFERENCE = re.compile(
    r"(V?REF|LE|AR|CAR|AVG?|AVE|AVERAGE|GND|[AMG][12]([\s+/&-]*[AMG][12])?|"
    r"NZ|FPZ|AFZ|FCZ|CPZ|POZ|OZ|X)?[\s.]*\d*"
)
_UNITS = {"uV", "\xb5V", "\u03bcV", "mV", "V", ""}  # those that MNE knows; none is taken for uV
_MIN_SFREQ = 50  # Hz; images go up to 20
_GAP_SECONDS = 1  # a channel that does not move for so long is taken for a gap
_NO_DATE = datetime(1985, 1, 1)  # the first day of the format: of files without one
_MAGIC = {"edf": b"0", "bdf": b"\xffBIOSEMI"}
# What a header tells of each signal, in the order of the file, and its bytes.
_FIELDS = {"label": 16, "sensor": 80, "unit": 8, "range": 32, "filter": 80, "n_samples": 8}


def find_electrodes(labels):
    """Find the 19 electrodes and the EKG among the labels of a file.

    Parameters
    ----------
    labels : sequence of str
        Such as ``"EEG Fp1-Ref"``, ``"FP1-LE"`` or ``"T7"``, in any case.

    Returns
    -------
    found : dict of str to int
        Names in `constants.EEG_COLUMNS`, each with the place of its first label.
    reference : str or None
        The electrode that all others are measured against, if it is one of the 19.

    Raises
    ------
    ValueError
        If there are no electrodes, bipolar derivations only, or so few electrodes
        that a chain keeps fewer than two of its four differences.
    """
    names = {name.upper(): name for name in ELECTRODES}
    names |= {new: names[old] for new, old in _NEW_NAMES.items()}
    found, against = {}, {}
    for place, label in enumerate(labels):
        if re.search("EKG|ECG", label.upper()):
            found.setdefault("EKG", place)
        elif match := _LABEL.fullmatch(label.upper().strip()):
            electrode, behind = names.get(match[1]), match[2] or ""
            if electrode and behind in names:
                against.setdefault(names[behind], {}).setdefault(electrode, place)
            elif electrode and _REFERENCE.fullmatch(behind):
                found.setdefault(electrode, place)
    reference = None
    if not found.keys() - {"EKG"} and against:
        if len(against) > 1:
            raise ValueError(
                "expected electrodes against one reference, found bipolar derivations "
                f"({', '.join(labels[:3])} …); export the recording with a common reference"
            )
        [(reference, electrodes)] = against.items()
        found |= electrodes
    if not found.keys() - {"EKG"}:
        raise ValueError(
            f"expected electrodes such as Fp1, found {len(labels)} channels: "
            + ", ".join(labels[:12])
            + (" …" if len(labels) > 12 else "")
        )
    for chain, electrodes in CHAINS.items():
        left = sum({*pair} <= {*found, reference} for pair in pairwise(electrodes))
        if left < 2:
            raise ValueError(
                f"expected the electrodes of four chains, missing {_missing(found, reference)}: "
                f"{chain} keeps {left} of its 4 differences and needs 2"
            )
    return found, reference


def _missing(found, reference):
    return [name for name in ELECTRODES if name not in found and name != reference]


def open_clinical(path):
    """Open an EDF or BDF file.

    Parameters
    ----------
    path : Path
        ``.edf`` or ``.bdf``.

    Returns
    -------
    dict
        ``n_samples``, ``read``, ``start`` and ``notes`` of a `recording.Recording`.

    Raises
    ------
    ValueError, ModuleNotFoundError
        As `recording.open_recording`.
    """
    try:
        import edfio
        import mne  # noqa: F401 - imported here to be missed at once
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{path}: a clinical file needs {PACKAGES}") from error
    kind = path.suffix[1:].lower()
    try:
        fields, announced, in_parts = _read_header(path, kind)
        found, reference = find_electrodes(fields["label"])
        if odd := {fields["unit"][place] for place in found.values()} - _UNITS:
            raise ValueError(f"expected electrodes in uV, mV or V, found {sorted(odd)}")
        # MNE does not look whether the parts of a file follow each other at once.
        if in_parts and not getattr(edfio, f"read_{kind}")(path).is_continuous:
            raise ValueError("expected a recording without breaks, found some; export it as one")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    parts = []
    # One rate at a time: MNE stretches what it opens together to the highest.
    for rate in {fields["n_samples"][place] for place in found.values()}:
        places = {n: place for n, place in found.items() if fields["n_samples"][place] == rate}
        raw, rows = _open(path, kind, fields, list(places.values()))
        if raw.info["sfreq"] < _MIN_SFREQ and places.keys() != {"EKG"}:
            raise ValueError(
                f"{path}: expected {_MIN_SFREQ} Hz or more, found {raw.info['sfreq']:g} Hz"
            )
        parts.append((*_resampled(raw, rows), [EEG_COLUMNS.index(name) for name in places]))

    def read(start, stop):
        eeg = np.full((stop - start, len(EEG_COLUMNS)), np.nan, np.float32)
        if reference:
            eeg[:, EEG_COLUMNS.index(reference)] = 0
        for _, read_part, columns in parts:
            eeg[:, columns] = read_part(start, stop)
        return eeg

    n_samples = min(length for length, *_ in parts)
    notes = []
    if missing := _missing(found, reference):
        notes.append(f"without {', '.join(missing)}, which count as gaps")
    if announced > n_samples / SFREQ + 1:
        notes.append(f"cut short: its header announces {announced:g} s")
    clock = raw.info["meas_date"] and raw.info["meas_date"].replace(tzinfo=None)
    return {
        "n_samples": n_samples,
        "read": read,
        "start": None if clock == _NO_DATE else clock,
        "notes": tuple(notes),
    }


def _read_header(path, kind):
    """Return what MNE keeps to itself: each signal's fields, the length, whether in parts."""
    with path.open("rb") as file:
        head = file.read(256)
        if not head.startswith(_MAGIC[kind]) or not head[252:256].strip().isdigit():
            raise ValueError(f"expected {kind.upper()}, found a file without its header")
        n_signals = int(head[252:256])
        fields = {
            name: [file.read(size).decode("latin-1").strip() for _ in range(n_signals)]
            for name, size in _FIELDS.items()
        }
    try:
        announced = int(head[236:244]) * float(head[244:252])
    except ValueError:
        raise ValueError(f"expected {kind.upper()}, found a damaged header") from None
    return fields, announced, head[192:197] in (b"EDF+D", b"BDF+D")


def _open(path, kind, fields, places):
    """Open these channels with MNE, and return each one's row there."""
    import mne

    labels, units = fields["label"], fields["unit"]
    wanted = {labels[place] for place in places}
    try:
        raw = getattr(mne.io, f"read_raw_{kind}")(
            path,
            include=sorted(wanted),
            units={labels[place]: "uV" for place in places if not units[place]},
            encoding="latin1",  # of comments, which are not looked at
            verbose="error",
        )
    except Exception as error:
        # MNE raises many kinds; to the user they are one.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"{path}: expected a whole {kind.upper()} file, found {reason}") from error
    opened = [place for place, label in enumerate(labels) if label in wanted]
    return raw, [opened.index(place) for place in places]


def _resampled(raw, rows):
    """Return the number of samples at 200 Hz and a function that reads them."""
    rate = raw.info["sfreq"]
    ratio = Fraction(SFREQ / rate).limit_denominator(1000)
    up, down = ratio.numerator, ratio.denominator
    # Samples 0, down, 2 down, … of the file are samples 0, up, 2 up, … at 200 Hz: blocks
    # that begin there are filtered alike. The filter reaches no further than ten of
    # them, a look for gaps one second.
    reach = 11 + math.ceil(rate * _GAP_SECONDS / down)

    def read(start, stop):
        first = max(0, start // up - reach)
        last = min((stop // up + 1 + reach) * down, raw.n_times)
        samples = raw.get_data(start=first * down, stop=last, verbose="error")[rows] * 1e6
        gaps = _gaps(samples, rate)
        if up != down:
            samples = signal.resample_poly(
                samples, up, down, axis=1, window=("kaiser", 8.6), padtype="line"
            )
            gaps = gaps[:, np.arange(samples.shape[1]) * down // up]
        samples[gaps] = np.nan
        return samples[:, start - first * up : stop - first * up].T

    return raw.n_times * up // down, read


def _gaps(samples, rate):
    """Return where a channel stands still: these formats have no NaN."""
    gaps = np.zeros(samples.shape, bool)
    for row, channel in zip(gaps, samples, strict=True):
        edges = np.flatnonzero(np.diff(channel, prepend=np.nan, append=np.nan))
        for still in np.flatnonzero(np.diff(edges) >= rate * _GAP_SECONDS):
            row[edges[still] : edges[still + 1]] = True
    return gaps
