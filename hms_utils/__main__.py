"""``python -m hms_utils``."""

from hms_utils.cli import main

main(prog_name="python -m hms_utils")
