"""Run the command line as ``python -m fer_lib.cli``."""

import sys

from fer_lib.cli import main

sys.exit(main())
