"""Errors of the API in kubectl's words."""

from api.errors import ApiError, Invalid, Unauthorized


def of_error(error: Exception) -> str:
    """What to print for an error that no command expected."""
    if isinstance(error, Invalid):
        return of_invalid(error)
    if isinstance(error, ApiError):
        return of_refusal(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"error: {where}{error.strerror or error}"
    return (
        f"error: unexpected {type(error).__name__}: {error}\n"
        "This is a bug in helmling; with HELMLING_DEBUG=1 in the environment it shows where."
    )


def of_refusal(error: ApiError) -> str:
    """`Error from server (NotFound): pods "x" not found`."""
    if isinstance(error, Unauthorized):
        return f"error: You must be logged in to the server ({error.message})"
    return f"Error from server ({error.reason}): {error.message}"


def of_invalid(error: Invalid) -> str:
    """One cause stays on the line, several get a line each."""
    if not error.kind or not error.causes:
        return of_refusal(error)
    start = f'The {error.kind} "{error.name}" is invalid:'
    if len(error.causes) == 1:
        return f"{start} {error.causes[0]}"
    return "\n".join([start, *(f"* {cause}" for cause in error.causes)])


def suffix(dry_run: str) -> str:
    """What a sentence about a write that was only tried ends with."""
    return {"client": " (dry run)", "server": " (server dry run)"}.get(dry_run, "")
