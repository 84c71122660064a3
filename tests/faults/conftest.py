"""What the tests of faults share: a place to damage, a small chain to try commands on."""

import pytest

from tests.faults import place
from tests.faults.commands import STAGES, Chain


@pytest.fixture(scope="session")
def sound(sample_dir, tmp_path_factory):
    """The place without damage, and what each stage gives there."""
    return place.make(sample_dir, tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """All stages, undisturbed."""
    made = Chain(tmp_path_factory.mktemp("chain"))
    for number in STAGES:
        done = made.run(number)
        assert done.returncode == 0, done.stdout
    return made


@pytest.fixture
def note(record_property, request):
    """Record what is tried and what is said for the table of faults."""
    group = request.module.__name__.rpartition("test_")[2]

    def write(name, answer, message=""):
        record_property("fault", [group, name, answer, message])

    return write
