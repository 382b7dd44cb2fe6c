"""`python -m animacy` is the command `animacy`."""

import sys

from .cli import main

sys.exit(main())
