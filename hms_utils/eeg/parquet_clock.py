"""What stands beside the samples of a parquet file: times, sample numbers, or the rate itself."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa

from hms_utils.constants import SFREQ

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second
_SPELLED = {"s": "s sec secs second seconds", "ms": "ms msec millis milliseconds"}
_SPELLED |= {"us": "us \xb5s \u03bcs usec micros microseconds", "ns": "ns nanos nanoseconds"}
_UNIT = {word: unit for unit, words in _SPELLED.items() for word in words.split()}
_TIME = {"time", "times", "timestamp", "timestamps", "datetime", "t", "clock"}
_COUNT = {"sample", "samples", "index", "idx", "unnamed"}
_BESIDE = {"date", "elapsed", "relative", "since", "start", "in", "of", "day", "utc", "unix"}
_BESIDE |= {"epoch", "number", "nr", "no", "id", "level", "0"}
_DAY = 86_400 * 10**9  # ns
_RATES = {"fs", "sfreq", "srate", "samplingrate", "samplerate", "samplingfrequency"}


def check_clock(file, channels):
    """Refuse an EEG beside whose samples stands that they are not 5 ms apart.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    channels : collection of str
        Columns that are read as EEG.

    Raises
    ------
    ValueError
        If times or sample numbers have another step, or a rate is another.
    """
    schema = file.schema_arrow
    pandas = schema.pandas_metadata or {}
    stated = [*(pandas.get("attributes") or {}).items()]
    stated += [
        (key.decode(errors="replace"), text) for key, text in (schema.metadata or {}).items()
    ]
    for index in pandas.get("index_columns", []):
        if isinstance(index, dict) and index.get("kind") == "range":
            places = index["step"] * np.arange(file.metadata.num_rows)
            _check(places, index.get("name") or "index", "")
    for field in schema:
        unit = getattr(field.type, "unit", "")
        is_rate, is_time = _is_rate(field.name), unit in _UNITS or _words(field.name)
        if field.name not in channels and (is_rate or is_time):
            column = file.read(columns=[field.name], use_threads=False).column(0)
            if is_rate:
                stated += [(field.name, value) for value in column.unique().to_pylist()]
            else:
                _check(*_times(column, field.name, unit))
    for name, value in stated:
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        if _is_rate(name) and isinstance(value, (str, int, float)):
            rate = pd.to_numeric(value, errors="coerce")
            if rate > 0 and rate != SFREQ:
                raise ValueError(f"expected {SFREQ} Hz, found {rate:g} in {name}")


def _is_rate(name):
    return re.sub(r"[\W_]|hz", "", name.lower()) in _RATES


def _words(name):
    """Return the words of a name if it is one of times or of sample numbers."""
    words = {word for word in re.split(r"[\W_]+", name.lower()) if word}
    named = words & (_TIME | _COUNT | {unit for unit in _UNIT if len(unit) > 1})
    return words if named and words <= _TIME | _COUNT | _BESIDE | _UNIT.keys() else set()


def _times(column, name, unit):
    """Return times as numbers, their name, and the unit, "" if their type does not say it."""
    if unit in _UNITS:
        times = column.cast(pa.int64())
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = column.to_pandas()
        times = pd.to_numeric(text, errors="coerce")
        if times.isna().all():
            times, unit = pd.to_timedelta(text, errors="coerce"), "ns"
            if times.isna().all():
                times = pd.to_datetime(text, errors="coerce", format="mixed", utc=True)
            times = times.to_numpy(f"{times.dtype.kind}8[ns]").astype(np.int64)
            times %= _DAY  # day and month cannot be told
            times += _DAY * np.cumsum(np.diff(times, prepend=times[:1]) < -_DAY / 2)
    elif pa.types.is_integer(column.type):
        times = column.cast(pa.int64())  # with a sign, for differences
    elif pa.types.is_floating(column.type):
        times = column
    else:
        times = np.zeros(0)
    return np.asarray(times), name, unit


def _check(times, name, unit):
    """Refuse times with another step than that of 200 Hz, or sample numbers that are not all."""
    words = _words(name)
    unit = unit or next((_UNIT[word] for word in words if word in _UNIT), "")
    counted = not unit and not words & _TIME
    if unit in ("ms", "us", "ns") and len(times) and (times % _UNITS[unit] == 0).all():
        times, unit = times // _UNITS[unit], "s"  # whole seconds, each 200 times
    usual = [_UNITS[unit] / SFREQ] if unit else [size / SFREQ for size in _UNITS.values()]
    usual += [1] * counted
    steps = np.diff(times)
    if counted:  # tables that were joined begin anew
        steps = steps[times[1:] != times[:1]]
    if not steps.any():
        return
    if counted and (steps <= 0).all():  # counted down
        steps = -steps
    mean = abs(steps.mean())
    found = np.median(abs(steps)) or mean
    step = min(usual, key=lambda each: abs(np.log(found / each)) if found > 0 else 0)
    tolerance = step / 10
    if step != 1 and (times % 1 == 0).all():
        tolerance = max(tolerance, 1)  # they may be rounded
    odd = ~(abs(steps - step) <= tolerance)
    if not odd.any() and abs(steps.sum() - step * len(steps)) > tolerance + step * len(steps) / 100:
        odd, steps = np.ones(1, bool), np.array([mean])
    if odd.any():
        found = steps[odd.argmax()]
        if step == 1:
            raise ValueError(f"expected all samples, found a step of {found:,.4g} in {name}")
        raise ValueError(
            f"expected a sample every 5 ms, found a step of {found / step * 1_000 / SFREQ:,.4g} ms "
            f"in {name}"
        )
