"""Where Numba's cache has no place, kernels still compile."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from numba.core import caching
caching.CacheImpl._locator_classes = []  # as it ends where the package is read-only and there is no home
import logging
logging.basicConfig()
import numpy as np
from animacy.send.yuv import i420_over
out = np.empty((3, 2), np.uint8)
i420_over(np.zeros((2, 2, 4), np.uint8), np.full((2, 2, 3), 255, np.uint8), out)
print(out[0, 0])
"""


def test_kernels_run_where_their_cache_has_no_place_and_the_log_says_so() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "235\n", done.stderr
    assert done.stderr.count("NUMBA_CACHE_DIR") == 1
