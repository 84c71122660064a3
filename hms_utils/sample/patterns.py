"""Synthetic patterns: seizures, periodic discharges and rhythmic delta on 19 electrodes.

They follow the definitions of the ACNS 2021 critical-care terminology (Hirsch et
al., J Clin Neurophysiol 2021); how irregular, broad and loud they are follows
real recordings, see `benchmarks/realism.py`.
"""

from dataclasses import dataclass, replace

import numpy as np

from hms_utils.constants import SFREQ
from hms_utils.sample.waves import (
    FIRST,
    SECOND,
    band,
    field,
    shaped_noise,
    spectral_noise,
    transients,
    wander,
)

# Size against the visible level of the background: median, spread of the logarithm.
_SIZES = {
    "Seizure": (22, 0.6),
    "LPD": (7.5, 0.45),
    "GPD": (7.5, 0.6),
    "LRDA": (6, 0.35),
    "GRDA": (8.5, 0.4),
}


@dataclass(frozen=True)
class Origin:
    """Where, how fast and with what waveform a patient's patterns are.

    Attributes
    ----------
    x, y : float
        Focus of one-sided patterns; generalised ones take its distance from the front.
    width : float
        Of the field, head radii.
    frequency : float
        Hz, of rhythmic delta; discharges come a little less often.
    sharpness : float
        Seconds, half width of a discharge's sharp wave.
    slow_wave : float
        Amplitude of the slow wave after a discharge.
    phases : int
        Of a discharge, 1 to 3.
    spikes : float
        Mean number of further spikes of a discharge.
    polarity : int
        Of discharges, 1 or -1.
    delay : float
        Seconds from one part of the field to the next.
    """

    x: float
    y: float
    width: float
    frequency: float
    sharpness: float
    slow_wave: float
    phases: int
    spikes: float
    polarity: int
    delay: float


def draw_origin(rng):
    """Draw an `Origin`: either side, temporal, frontal, central or parietal, 0.5 to 3 Hz."""
    return Origin(
        x=rng.choice([-1, 1]) * rng.uniform(0.4, 1),
        y=rng.uniform(-0.6, 1.1),
        width=rng.uniform(0.35, 0.65),
        frequency=float(np.clip(rng.lognormal(np.log(1.25), 0.35), 0.5, 3)),
        sharpness=rng.lognormal(np.log(0.027), 0.35),
        slow_wave=rng.uniform(0.1, 0.7),
        phases=int(rng.choice([1, 2, 3], p=[0.45, 0.3, 0.25])),
        spikes=rng.choice([0, 0.5, 2], p=[0.5, 0.3, 0.2]),
        polarity=int(rng.choice([-1, 1], p=[0.75, 0.25])),
        delay=rng.uniform(0, 0.045),
    )


def vary(rng, origin):
    """Return a slightly different `Origin`, of another recording of the same patient."""
    return replace(
        origin,
        x=float(np.clip(origin.x * rng.uniform(0.9, 1.1), -1, 1)),
        y=origin.y + rng.normal(0, 0.1),
        width=origin.width * rng.lognormal(0, 0.1),
        frequency=float(np.clip(origin.frequency * rng.lognormal(0, 0.15), 0.5, 3)),
        sharpness=origin.sharpness * rng.lognormal(0, 0.15),
    )


def draw_size(rng, name, level):
    """Draw a pattern's size on a background of visible level `level`, microvolts.

    Parameters
    ----------
    rng : numpy.random.Generator
    name : {"Seizure", "LPD", "GPD", "LRDA", "GRDA"}
    level : float
        Microvolts, as `visible_level`.

    Returns
    -------
    float
        What to multiply `pattern` with: faint ones as well as loud ones.
    """
    typical, spread = _SIZES[name]
    return float(level * typical * rng.lognormal(0, spread))


def pattern(rng, name, n_samples, origin, clarity):
    """Simulate one of the five named patterns.

    Parameters
    ----------
    rng : numpy.random.Generator
    name : {"Seizure", "LPD", "GPD", "LRDA", "GRDA"}
    n_samples : int
        A seizure evolves over all of them.
    origin : Origin
    clarity : float
        From 0, blunt, irregular and with pauses, to 1, as regular and continuous as
        clear real ones.

    Returns
    -------
    ndarray of float32, shape (19, n_samples)
        Without a unit: its peaks are about 1 in the strongest difference of the
        double banana, in which experts read.
    """
    doubt = 1 - clarity
    generalised = name in ("GPD", "GRDA") or (name == "Seizure" and rng.random() < 0.6)
    if generalised:
        fields = _both_sides(rng, *((0.6, 0.95) if name == "GRDA" else (0.7, 1.1)))
    else:
        # Rhythmic delta of one side is frontal more often than discharges are.
        fields = _one_side(rng, origin, origin.y + (0.6 if name == "LRDA" else 0), doubt)
    if name == "Seizure":
        eeg = _seizure(rng, n_samples, origin, fields, doubt)
    elif name in ("LPD", "GPD"):
        eeg = _discharges(rng, n_samples, origin, fields, doubt, generalised)
    else:
        eeg = _rhythmic_delta(rng, n_samples, origin, fields, doubt, generalised)
    # Where a pattern is not clear it comes and goes.
    low, high = -1.2 + 1.9 * clarity, 0.8 + 0.9 * clarity
    presence = wander(rng, n_samples, low, high, rng.uniform(2, 5))
    eeg = eeg.astype(np.float32) / (1 + np.exp(-presence / 0.1))
    differences = eeg[FIRST] - eeg[SECOND]
    strongest = differences[np.argmax(differences[:, ::8].std(axis=1))]
    return eeg / np.percentile(np.abs(strongest), 97)


def _one_side(rng, origin, y, doubt):
    """Return the fields of a focus, of its surroundings and of their echo, (3, 19)."""
    width = origin.width * (1 + 0.5 * doubt)
    beside = origin.x * 0.8, y + rng.choice([-0.5, 0.5])
    return np.stack(
        [
            field(origin.x, y, width),
            0.6 * field(*beside, width),
            rng.uniform(0.1, 0.5 + 0.3 * doubt) * field(-origin.x, y, 0.6),
        ]
    )


def _both_sides(rng, narrow, wide):
    """Return the fields of a generalised source: two halves, mostly frontal, and the back."""
    width, tilt = rng.uniform(narrow, wide), rng.lognormal(0, 0.12)
    x, y = 0.4, rng.uniform(0.9, 1.4)
    if rng.random() < 0.15:
        x, y = 0.6, rng.uniform(-1, 0.8)
    return np.stack(
        [
            field(-x, y, width) * tilt,
            field(x, y, width) / tilt,
            rng.choice([-1, 1]) * rng.uniform(0.05, 0.4) * field(0, -0.7, 0.7),
        ]
    )


def _onsets(rng, n_samples, frequency, jitter):
    """Return the samples of events whose intervals vary and drift, some left out."""
    count = int(n_samples / SFREQ * frequency * 2.5) + 10
    logs = jitter * rng.standard_normal(count) + wander(rng, count * SFREQ, -1, 1, 6)[::SFREQ] * (
        0.8 * jitter
    )
    times = np.cumsum(np.exp(logs) / frequency)
    return (times * SFREQ).astype(int) - int(SFREQ / frequency)


def _discharges(rng, n_samples, origin, fields, doubt, generalised):
    """Return discharges, each a little different in height, shape and place."""
    # Those of one side are slower and less regular.
    frequency = np.clip((1.1 if generalised else 0.85) * origin.frequency, 0.35, 2.5)
    doubt += 0 if generalised else 0.2
    onsets = _onsets(rng, n_samples, frequency, rng.uniform(0.04, 0.16) + 0.4 * doubt)
    width = origin.sharpness * (1 + 1.2 * doubt)
    waves = [(0, width, 1.0)]
    if origin.phases > 1:
        waves.append((2.2 * width, 1.3 * width, -rng.uniform(0.3, 0.9)))
    if origin.phases > 2:
        waves.append((-2 * width, width, -rng.uniform(0.2, 0.6)))
    slow = rng.uniform(0.08, 0.16)
    waves.append((2.5 * width + 1.2 * slow, slow, -origin.slow_wave * rng.uniform(0.6, 1.2)))
    common = rng.lognormal(0, 0.15 + 0.3 * doubt, len(onsets))
    eeg = np.zeros((19, n_samples), np.float32)
    for number, place in enumerate(fields):
        lag = int(number * origin.delay * SFREQ)
        train = np.zeros(n_samples, np.float32)
        for wave in waves:
            heights = common * (
                1 + (0.25 + 0.15 * (number > 0) + 0.2 * doubt) * rng.standard_normal(len(onsets))
            )
            late = rng.normal(0, 0.3 * wave[1] * SFREQ, len(onsets)).astype(int)
            train += transients(onsets + lag + late, n_samples, [wave], heights)
        if origin.spikes:
            many = np.repeat(onsets, rng.poisson(origin.spikes, len(onsets)))
            many = many + (rng.uniform(-0.15, 0.25, len(many)) * SFREQ).astype(int)
            spike = [(0, 0.6 * width, 1), (1.5 * width, 0.8 * width, -0.8)]
            train += transients(many, n_samples, spike, rng.uniform(-0.3, 0.9, len(many)))
        eeg += np.outer(place, train)
    eeg *= origin.polarity
    extra = rng.random()
    if extra < 0.15:  # "+F", fast activity that rides on the discharges
        fast = shaped_noise(rng, 1, n_samples, band(rng.uniform(12, 22), 2))[0]
        fast *= transients(onsets, n_samples, [(0.1, 0.15, 1)])
        eeg += np.outer(fields[0], 0.12 * fast)
    elif extra < 0.3:  # "+R", rhythmic delta between them
        wave = shaped_noise(rng, 1, n_samples, band(origin.frequency * 1.5, 0.3))[0]
        eeg += np.outer(fields[0], 0.2 * wave)
    return eeg


def _rhythmic_delta(rng, n_samples, origin, fields, doubt, generalised):
    """Return narrow-band noise whose waves are a little skewed, alike but not equal all over."""
    # That of one side is faster and less regular; with that of both comes slower delta.
    speed, widths, slow_share = (
        (0.9, (0.05, 0.2), 0.4) if generalised else (1.15, (0.15, 0.4), 0.15)
    )
    frequency = speed * origin.frequency * rng.lognormal(0, 0.1)
    width = frequency * (rng.uniform(*widths) + 0.25 * doubt)
    noise = _analytic(rng, len(fields) + 1, n_samples, frequency, width)
    likeness = rng.uniform(0.75, 0.95) - 0.2 * doubt
    skew = rng.choice([-1, 1]) * rng.uniform(0, 0.45) * np.exp(1j * rng.normal(0, 0.6))
    eeg = np.zeros((19, n_samples), np.float32)
    slower = shaped_noise(rng, 1, n_samples, band(0.6 * frequency, 0.25))[0]
    eeg += np.outer(fields.sum(axis=0), slow_share * slower)
    for place, own in zip(fields, noise[1:], strict=True):
        wave = likeness * noise[0] + np.sqrt(1 - likeness**2) * own
        wave = wave / (np.abs(wave) + 0.1) ** 0.35
        # The second harmonic, in step with the first.
        wave = wave + skew * wave**2 / (np.abs(wave) + 0.1)
        eeg += np.outer(place, wave.real)
    if rng.random() < 0.15:  # "+F"
        fast = shaped_noise(rng, 1, n_samples, band(rng.uniform(12, 22), 2))[0]
        eeg += np.outer(fields[0], 0.12 * fast)
    return eeg


def _analytic(rng, n_channels, n_samples, centre, width):
    """Return narrow-band noise as complex signals whose real part has unit variance."""
    # Its envelope is low-pass noise of half the width to either side of the centre.
    parts = spectral_noise(rng, 2 * n_channels, n_samples, band(0, width))
    parts /= parts.std(axis=1, keepdims=True)
    envelope = parts[:n_channels] + 1j * parts[n_channels:]
    turns = np.arange(n_samples) * (centre / SFREQ) % 1
    return (envelope * np.exp(2j * np.pi * turns)).astype(np.complex64)


def _above_theta(f):
    return (f > 4) / (1 + (f / 8) ** 1.5)


def _seizure(rng, n_samples, origin, fields, doubt):
    """Return a rhythm that changes in speed, shape, size and place, with onset and end."""
    progress = np.linspace(0, 1, n_samples, dtype=np.float32)
    fast, slow = rng.uniform(2.2, 5), rng.uniform(1.2, 2.6)
    course = fast + (slow - fast) * progress ** np.exp(rng.uniform(-1, 0.3))
    jitter = rng.uniform(0.06, 0.16) + 0.2 * doubt
    speed = np.exp(wander(rng, n_samples, -1.7, 1.7, 0.5) * jitter)
    cycles = rng.random() + np.cumsum(course * speed, dtype=float) / SFREQ
    phase = (2 * np.pi * (cycles % 1)).astype(np.float32)
    harmonics = rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.5), rng.uniform(0, 0.3)
    shifts = rng.uniform(-np.pi, np.pi, 3)
    onsets = np.flatnonzero(np.diff(np.floor(cycles)) > 0)
    spike = rng.uniform(0.5, 2) * (rng.random() < 0.6)
    fast_share = rng.uniform(0.05, 0.25)
    # It builds up within seconds, grows, and breaks off.
    size = (0.35 + 0.65 * np.sqrt(progress)) * np.minimum(progress * n_samples / SFREQ / 3, 1)
    echoes = field(-origin.x, origin.y, 0.5), field(*rng.uniform(-0.7, 0.7, 2), 0.5)
    places = [*fields, *(rng.uniform(0.1, 0.7) * echo for echo in echoes)]
    eeg = np.zeros((19, n_samples), np.float32)
    for number, place in enumerate(places):
        own = phase + rng.normal(0, 0.5) + wander(rng, n_samples, -0.7, 0.7, 1)
        wave = np.sin(own)
        for order, (height, shift) in enumerate(zip(harmonics, shifts, strict=True), 2):
            wave += height * wander(rng, n_samples, 0.2, 1.8, 2) * np.sin(order * own + shift)
        if spike:
            heights = rng.lognormal(0, 0.4, len(onsets))
            late = int(number * origin.delay * SFREQ)
            wave += transients(onsets + late, n_samples, [(0, 0.02, -spike)], heights)
        wave += fast_share * shaped_noise(rng, 1, n_samples, _above_theta)[0]
        wave *= np.exp(wander(rng, n_samples, -0.5, 0.5, rng.uniform(1, 4)))
        # The focus is first, its surroundings and the other side follow.
        joined = np.clip((progress - 0.1 * number) / 0.2, 0, 1) if number else 1
        eeg += np.outer(place, wave * size * joined)
    return eeg
