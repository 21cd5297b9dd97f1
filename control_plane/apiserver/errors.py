"""The store's failures in the API's words."""

from api.errors import BadRequest, Timeout, Unavailable
from control_plane.apiserver import refusals
from control_plane.store.contract import Ambiguous, StoreUnavailable, TooLarge


class StoreErrors:
    """`with store_errors(): …` A class and not a generator: it is on the path of every request."""

    def __enter__(self) -> None: ...

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, Ambiguous):
            told = f"{error}: the write may have happened; read the object before trying again"
            raise Timeout(told) from error
        if isinstance(error, StoreUnavailable):
            raise Unavailable(f"the store does not answer: {error}", retry_after=1) from error
        if isinstance(error, TooLarge):
            raise refusals.too_big() from error
        if isinstance(error, ValueError):  # a key that no store would take
            raise BadRequest(str(error)) from error


_store_errors = StoreErrors()


def store_errors() -> StoreErrors:
    return _store_errors
