"""EDF and BDF as they lie on disk: a header, then records of samples.

A file as clinics write it needs each signal by its own place, unit and rate, and part by part:
MNE takes signals by their labels, edfio holds a BDF file in memory.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hms_utils.eeg.units import microvolts, split_unit

_MAGIC = {b"0": "EDF", b"\xffBIOSEMI": "BDF"}
WIDTH = {"EDF": 2, "BDF": 3}  # bytes of a sample
# What a header tells of each signal, in the order of the file, and its bytes.
_FIELDS = {
    "label": 16, "sensor": 80, "unit": 8, "low": 8, "high": 8, "digital_low": 8,
    "digital_high": 8, "filter": 80, "n_samples": 8, "reserved": 32,
}  # fmt: skip


@dataclass(frozen=True)
class Signal:
    """One signal's part of a header.

    Attributes
    ----------
    label, unit : str
        Without a unit of its own that which stands behind the label.
    rate : float
        Samples a second.
    n_samples, first : int
        Samples in each record, and the byte there at which they begin.
    range, digital_range : tuple of float or None
        Lowest and highest value, in the unit and as stored; None for what is no number.
    """

    label: str
    unit: str
    rate: float
    n_samples: int
    first: int
    range: tuple
    digital_range: tuple

    @property
    def microvolts(self):
        """Microvolts in the unit: 1 if there is none, None if it is not one of voltage."""
        return microvolts(self.unit)


@dataclass(frozen=True)
class File:
    """An EDF or BDF file.

    Attributes
    ----------
    path : Path
    kind : {"EDF", "BDF"}
    signals : tuple of Signal
    first, record_bytes : int
        Bytes before the first record, and in each.
    n_records : int
        Whole records that are there.
    announced : int
        Records by the header; -1 or 0 if it did not know.
    duration : float
        Of a record, seconds.
    date, time : str
        As they stand in the header.
    recorded : str
        What an EDF+ or BDF+ header tells of the recording, beginning with its date.
    in_parts : bool
        Whether the header says that there may be breaks.
    """

    path: Path
    kind: str
    signals: tuple
    first: int
    record_bytes: int
    n_records: int
    announced: int
    duration: float
    date: str
    time: str
    recorded: str
    in_parts: bool


def read_header(path):
    """Read the header of an EDF or BDF file.

    Parameters
    ----------
    path : Path
        Its first bytes say which of both it is, not its name.

    Returns
    -------
    File

    Raises
    ------
    ValueError
        If it is neither, or its header is damaged.
    """
    with path.open("rb") as file:
        head = file.read(256)
        kind = _MAGIC.get(head[:8].strip(b" \0"))
        n_signals = _text(head[252:256])
        if not kind or not n_signals.isdecimal():
            expected = path.suffix[1:].upper()
            raise ValueError(f"expected {expected}, found a file without its header")
        n_signals = int(n_signals)
        body = file.read(256 * n_signals)
    announced, duration = _number(head[236:244]), _number(head[244:252])
    if announced is None or duration is None or duration < 0:
        raise ValueError(f"expected {kind}, found a damaged header")
    if len(body) < 256 * n_signals:
        raise ValueError(f"expected a whole {kind} file, found its header cut off")
    fields, begin = {}, 0
    for name, size in _FIELDS.items():
        ends = range(begin + size, begin + size * n_signals + 1, size)
        fields[name], begin = [body[end - size : end] for end in ends], begin + size * n_signals
    counts = [_number(count) for count in fields["n_samples"]]
    if any(count is None or count < 0 or count % 1 for count in counts):
        raise ValueError(f"expected {kind}, found a damaged header")
    ends = np.cumsum([0, *counts]).astype(int) * WIDTH[kind]
    signals = tuple(
        Signal(
            label=_text(fields["label"][n]),
            unit=_text(fields["unit"][n]) or split_unit(_text(fields["label"][n]))[1],
            rate=count / duration if duration else 0,
            n_samples=int(count),
            first=int(ends[n]),
            range=(_number(fields["low"][n]), _number(fields["high"][n])),
            digital_range=(_number(fields["digital_low"][n]), _number(fields["digital_high"][n])),
        )
        for n, count in enumerate(counts)
    )
    record_bytes, size = int(ends[-1]), path.stat().st_size
    first = _first_record(head, n_signals, size, announced * record_bytes)
    return File(
        path=path,
        kind=kind,
        signals=signals,
        first=first,
        record_bytes=record_bytes,
        n_records=(size - first) // record_bytes if record_bytes else 0,
        announced=int(announced),
        duration=duration,
        date=_text(head[168:176]),
        time=_text(head[176:184]),
        recorded=_text(head[88:168]),
        in_parts=head[192:197].upper() == f"{kind}+D".encode(),
    )


def _first_record(head, n_signals, size, n_bytes):
    """Return where the records begin: behind the signals, unless the sizes say otherwise."""
    usual, told = 256 * (n_signals + 1), _number(head[184:192])
    return int(told) if told and told > usual and size - told == n_bytes else usual


def _text(raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\0", " ").strip()


def _number(raw):
    """Return what a field says in digits, also with a decimal comma, or None."""
    try:
        value = float(_text(raw).replace(",", "."))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def read_signal(file, signal, start, stop):
    """Read a part of a signal.

    Parameters
    ----------
    file : File
    signal : Signal
        One of it, of voltage and with a range.
    start, stop : int
        Samples of this signal.

    Returns
    -------
    ndarray of float64, shape (stop - start,)
        Microvolts.

    Raises
    ------
    ValueError
        If the file has been cut off since.
    """
    if start >= stop:
        return np.zeros(0)
    width, per_record = WIDTH[file.kind], signal.n_samples
    first, last = start // per_record, -(-stop // per_record)
    begin, end = 0, per_record
    if last - first == 1:  # a record can be as long as the recording
        begin, end = start - first * per_record, stop - first * per_record
    # Opened for each part, so that what was read does not stay in memory.
    shape = file.n_records, file.record_bytes
    try:
        records = np.memmap(file.path, np.uint8, "r", file.first, shape)
    except ValueError:  # longer than the file
        raise ValueError(
            f"{file.path}: expected the file as it was opened, found a shorter"
        ) from None
    columns = slice(signal.first + begin * width, signal.first + end * width)
    raw = np.array(records[first:last, columns]).reshape(-1, width)
    if width == 2:
        digital = raw.view("<i2")[:, 0]
    else:
        low, middle, high = raw.astype(np.int32).T
        digital = (low << 8 | middle << 16 | high << 24) >> 8
    digital = digital[start - first * per_record - begin :][: stop - start]
    (low, high), (digital_low, digital_high) = signal.range, signal.digital_range
    gain = (high - low) / (digital_high - digital_low)
    return ((digital - digital_low) * gain + low) * signal.microvolts
