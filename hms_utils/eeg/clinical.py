"""Clinical EDF and BDF files: their electrodes, and their samples part by part at 200 Hz."""

import math
from fractions import Fraction

import numpy as np
from scipy import signal

from hms_utils.constants import SFREQ
from hms_utils.eeg import edf, edf_clock
from hms_utils.eeg.channel_labels import is_electrode
from hms_utils.eeg.electrodes import find_electrodes
from hms_utils.eeg.gaps import GAP_SECONDS, blank_note, is_blank, stands_still

_MIN_SFREQ = 50  # Hz; images go up to 20
_PARTS, _PART_SECONDS = 20, 10  # that a recording is judged by


def open_clinical(path):
    """Open an EDF or BDF file.

    Parameters
    ----------
    path : Path
        ``.edf`` or ``.bdf``.

    Returns
    -------
    dict
        ``n_samples``, ``read``, ``start`` and ``notes`` of a `recording.Recording`, and
        ``looked``, its `sample_parts`.

    Raises
    ------
    ValueError
        As `recording.open_recording`.
    """
    try:
        file = edf.read_header(path)
        found = _find(file)
        delay = edf_clock.read_delay(file)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    parts = [
        (found.columns.index(name), -1 if name in found.flipped else 1, file.signals[place])
        for name, place in found.places.items()
    ]
    electrodes = [part for part in parts if found.columns[part[0]] != "EKG"]
    columns = [column for column, *_ in electrodes]

    def read(start, stop):
        eeg = np.full((stop - start, len(found.columns)), np.nan, np.float32)
        if found.zero:
            eeg[:, found.columns.index(found.zero)] = 0
        for column, _, one in parts:
            eeg[:, column] = _read(file, one, start, stop)
        eeg[np.ix_(is_blank(eeg[:, columns]), columns)] = np.nan
        for column, sign, _ in parts:
            eeg[:, column] *= sign
        return eeg

    n_samples = min(_length(file, one) for *_, one in parts)
    clock = edf_clock.read_clock(file)
    looked = sample_parts(read, n_samples)
    silent = [found.columns[column] for column in columns if np.isnan(looked[:, column]).all()]
    notes = [*found.notes]
    if 0 < len(silent) < len(electrodes):
        notes.append(f"no signal in {', '.join(silent)} wherever it was looked")
    notes += blank_note(looked[:, columns])
    notes += _askew(electrodes, looked)
    return {
        "n_samples": n_samples,
        "read": read,
        "start": clock and clock + delay,
        "notes": (*notes, *_oddities(file, clock)),
        "looked": looked,
    }


def _askew(electrodes, looked):
    """Return a note if most signals stand around the middle of a range that is not around zero.

    So they do if one of its ends is wrong. Where a range is that of the values themselves, zero
    is where they stand.
    """
    askew = []
    for column, sign, one in electrodes:
        low, high = np.sort(one.range) * one.microvolts
        middle, half = (low + high) / 2, (high - low) / 2
        values = sign * looked[:, column]
        usual = np.median(values[~np.isnan(values)]) if not np.isnan(values).all() else np.nan
        if low < 0 < high and abs(middle) > half / 2 and abs(usual - middle) < half / 10:
            askew.append(one)
    if len(askew) <= len(electrodes) / 2:
        return []
    one = askew[0]
    return [
        f"its header has {one.range[0]:g} to {one.range[1]:g} {one.unit} for {one.label}, and the "
        "samples stand around the middle of that, not around zero: look whether both ends are right"
    ]


def _oddities(file, clock):
    """Return notes about a header that does not fit its file or has no clock."""
    notes, seconds = [], file.n_records * file.duration
    announced = file.announced * file.duration
    if announced > seconds:
        notes.append(f"cut short: its header announces {announced:g} s")
    elif 0 < announced < seconds:
        notes.append(f"longer than the {announced:g} s that its header announces")
    if clock is None and file.time.strip("0.: "):
        again = file.recorded[:21] if file.recorded.upper().startswith("STARTDATE") else ""
        notes.append(
            f"clock unknown: its header has date {file.date!r} and time {file.time!r}"
            + (f", and {again!r}" if again else "")
        )
    return notes


def sample_parts(read, n_samples):
    """Read up to 20 parts of 10 s, evenly spread over a recording.

    Parameters
    ----------
    read, n_samples
        As of a `recording.Recording`.

    Returns
    -------
    ndarray of float32, shape (n_read, n_columns)
        One part below the other.
    """
    size = min(_PART_SECONDS * SFREQ, n_samples)
    n_parts = min(_PARTS, n_samples // size) if size else 1
    starts = np.linspace(0, n_samples - size, n_parts).astype(int)
    return np.concatenate([read(start, start + size) for start in starts.tolist()])


def _find(file):
    """Find the electrodes among the signals that can be read."""
    labels, rates = [one.label for one in file.signals], [one.rate for one in file.signals]
    unfit = [_unfit(one, edf.WIDTH[file.kind]) for one in file.signals]
    fit = [label * (not why) for label, why in zip(labels, unfit, strict=True)]
    try:
        return find_electrodes(fit, rates)
    except ValueError:
        find_electrodes(labels, rates)  # says what is wrong besides
    whys = [why for label, why in zip(labels, unfit, strict=True) if why and is_electrode(label)]
    raise ValueError(max(whys, key=whys.count))


def _unfit(one, width):
    """Return why a signal of so many bytes a sample cannot be read as EEG, or ""."""
    heart = "EKG" in one.label.upper() or "ECG" in one.label.upper()
    (low, high), (digital_low, digital_high) = one.range, one.digital_range
    if one.rate < (1 if heart else _MIN_SFREQ):
        return f"expected {_MIN_SFREQ} Hz or more, found {one.rate:g} Hz in {one.label}"
    if one.microvolts is None:
        return f"expected electrodes in uV, mV or V, found {one.unit} in {one.label}"
    if None in (low, high, digital_low, digital_high) or low == high:
        return f"expected a range of values, found none in the header for {one.label}"
    if digital_low >= digital_high:
        return f"expected a range of digital values, found {digital_low:g} to {digital_high:g}"
    for ends, others, kind in (
        (one.range, one.digital_range, ""),
        (one.digital_range, one.range, "digital "),
    ):
        if _is_cut(ends, others):
            found = f"{ends[0]:g} to {ends[1]:g} in the header for {one.label}"
            return f"expected a range of {kind}values, found {found}, one of which was cut off"
    most = 2 ** (8 * width - 1)
    if digital_low < -most or digital_high > most:
        found = f"{digital_low:.0f} to {digital_high:.0f} in {one.label}"
        return f"expected digital values of {8 * width} bits with a sign, found {found}"
    return ""


def _is_cut(ends, others):
    """Return whether one end of a range is the other without its last digits.

    A header has eight characters for each, and with its sign the lower is longer: of -2.00E+03
    remains -2. Then one end is a tenth, a hundredth, … of the other, and zero lies elsewhere
    than in the range of digital values, or of physical ones.
    """
    if ends[0] * ends[1] >= 0:
        return False
    power = abs(np.log10(-ends[0] / ends[1]))
    zero, other = (-low / (high - low) for low, high in (ends, others))
    return round(power) > 0 and abs(power - round(power)) < 1e-4 and abs(zero - other) > 0.1


def _ratio(rate):
    """Return by what to multiply and to divide a rate to come to 200 Hz."""
    return Fraction(SFREQ / rate).limit_denominator(1000).as_integer_ratio()


def _length(file, one):
    """Return the samples of a signal at 200 Hz."""
    up, down = _ratio(one.rate)
    return file.n_records * one.n_samples * up // down


def _read(file, one, start, stop):
    """Read a part of a signal, from sample to sample at 200 Hz."""
    up, down = _ratio(one.rate)
    # Samples 0, down, 2 down, … of the file are samples 0, up, 2 up, … at 200 Hz: blocks
    # that begin there are filtered alike. The filter reaches no further than ten of
    # them, a look for gaps one second.
    reach = 11 + math.ceil(one.rate * GAP_SECONDS / down)
    first = max(0, start // up - reach)
    last = min((stop // up + 1 + reach) * down, file.n_records * one.n_samples)
    samples = edf.read_signal(file, one, first * down, last)
    gaps = stands_still(samples, one.rate)
    if up != down and len(samples):
        known = np.flatnonzero(~gaps)
        if len(known) < len(samples) and len(known):
            # What stands for a gap would ring into what lies beside it.
            nearest = np.interp(np.arange(len(samples)), known, np.arange(len(known)))
            samples = samples[known[np.rint(nearest).astype(int)]]
        samples = signal.resample_poly(samples, up, down, window=("kaiser", 8.6), padtype="line")
        gaps = gaps[np.arange(len(samples)) * down // up]
    samples[gaps] = np.nan
    return samples[start - first * up : stop - first * up]
