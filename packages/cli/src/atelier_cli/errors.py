"""Errors whose message a user can act on; `commands.messages` prints it and ends with exit code 2."""


class CannotServe(RuntimeError):
    """The server did not start, did not become ready, or ended."""


class CannotReplay(RuntimeError):
    """There is nothing to replay, or replaying it failed."""


class CannotExport(RuntimeError):
    """Where a search is to be exported to, it was not accepted."""
