"""Whether compiled kernels can be kept for the next run."""

from __future__ import annotations

import logging
from functools import lru_cache

from numba import njit

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def cacheable() -> bool:
    """Whether Numba finds a folder for its cache: beside the package, in the home folder, or NUMBA_CACHE_DIR.

    Numba refuses to decorate a function with `cache=True` where there is none, as in a package of root's that is run without a
    home. Then every run compiles anew, which the log says. A folder in /tmp would not do: the cache holds pickles.
    """

    def probe() -> None: ...

    try:
        njit(cache=True)(probe)
    except RuntimeError:
        log.warning("compiling anew in every run: set NUMBA_CACHE_DIR to a folder that is yours, to keep what is compiled")
        return False
    return True
