"""The tour's numbers are those of the run's metrics, its pictures small."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks import tour
from hms_utils import paths

OF = {"commit": "`abc1234`"}


@pytest.fixture
def output(tmp_path):
    cell = {"low": 0.4, "high": 0.6, "n_rows": 99, "n_patients": 50, "group": "all rows"}
    card = [{"model": name, "kl": 0.5} | cell for name in ("prior", "cnn", "floor")]
    level = {"level": 0.8, "covered": 0.7, "low": 0.6, "high": 0.75, "attainable": 0.82}
    level["n_patients"] = 50
    metrics = {
        "02_spectrograms": {"headline": "99 windows of 50 patients"},
        "04_efficientnet_b0": {"headline": "KL", "backbone_weights": "random weights"},
        "05_comparison": {"headline": "KL", "scorecard": card, "coverage": [level]},
        "06_submission": {"headline": "7 recordings answered", "checks": []},
    }
    for name, content in metrics.items():
        paths.write_json(tmp_path / "metrics" / f"{name}.json", content)
    source = {"data": "/data", "synthetic": True}
    paths.write_json(tmp_path / "spectrograms" / "train" / "source.json", source)
    return tmp_path


def test_the_tour_says_what_the_run_found(output):
    text = tour.page(output, OF)
    assert "0.500 (0.400 to 0.600)" in text
    assert "99 windows of 50 patients. EfficientNetB0 started from random weights." in text
    assert "- 80% intervals cover 70% (60% to 75%)" in text
    assert "7 recordings answered; its checks have 0 remarks." in text
    assert paths.SYNTHETIC_NOTICE in text
    assert text.index("networks that were trained once") < text.index("0.500 (0.400 to 0.600)")
    assert "| commit | `abc1234` |" in text
    assert text.count("](pictures/") == len(tour.PICTURES)
    (output / "metrics" / "05_comparison.json").unlink()
    with pytest.raises(FileNotFoundError, match="run notebooks/05_comparison"):
        tour.page(output, OF)


def test_pictures_are_small_and_keep_rare_colours(monkeypatch):
    monkeypatch.setattr(tour, "MOST_BYTES", 4000)
    pixels = np.tile(np.arange(120, dtype=np.uint8)[:, None, None], (1, 120, 3))
    pixels[::2, ::2] //= 2
    pixels[:20, :20] = (0, 158, 115)
    pixels[40:, ::3] = np.random.default_rng(0).integers(0, 120, (80, 40, 1), np.uint8)
    content = tour.small(Image.fromarray(pixels))
    assert len(content) <= 4000
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.width < 120
        corner = picture.convert("RGB").getpixel((4, 4))
    assert np.abs(np.subtract(corner, (0, 158, 115))).max() <= 20
