"""The memory of a process that lives long: said once, when it has come up."""

import ctypes
import gc


def settle() -> None:
    """What is there now stays. The caches hold a great many objects that are no garbage: looking through all of them
    again and again costs more than what is found. What forms cycles here is small and rare. And what the start needed
    goes back to the machine (where the C library has a way: glibc).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
