"""Keras as the suite needs it, whatever the user has set for other projects."""

import json
import os
import subprocess
import sys

import pytest

from hms_utils import paths

SAY = """
from hms_utils.networks.backend import keras
import os
config = keras.config
print(config.backend(), config.floatx(), config.epsilon(), config.image_data_format(),
      config.dtype_policy().name, os.environ["KERAS_HOME"])
"""
FILE = {
    "backend": "jax",
    "floatx": "float16",
    "epsilon": 0.1,
    "image_data_format": "channels_first",
    "unknown": 1,
}
EXPECTED = "tensorflow float32 1e-07 channels_last float32"


def say(code, home, **env):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=paths.REPOSITORY, capture_output=True, text=True,
        env=os.environ | env | {"KERAS_HOME": str(home)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "env"),
    [
        (json.dumps(FILE), {}),
        ("{", {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1"}),
    ],
    ids=["keras.json of another project", "KERAS_BACKEND and a damaged keras.json"],
)
def test_settings_of_other_projects_change_nothing(content, env, tmp_path):
    (tmp_path / "keras.json").write_text(content)
    done = say(SAY, tmp_path, **env)
    assert done.stdout.split() == [*EXPECTED.split(), str(tmp_path)], done.stderr
    assert (tmp_path / "keras.json").read_text() == content
