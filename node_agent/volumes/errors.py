"""What can go wrong with a volume."""


class VolumeError(Exception):
    """`volume` cannot be set up, and why; becomes the event FailedMount."""

    def __init__(self, volume: str, message: str) -> None:
        super().__init__(message)
        self.volume, self.message = volume, message
