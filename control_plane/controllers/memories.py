"""What a controller remembers of each of its objects, by uid, and forgets with the object."""

from collections import defaultdict
from typing import Any, TypeVar

T = TypeVar("T")


class Memories(defaultdict[str, T]):
    def forget(self, old: Any, new: Any) -> None:
        """A handler: the object is gone, even if there is another of its name."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self.pop(old.metadata.uid, None)
