"""What a client did, or asked for, that cannot be answered: a status and one sentence."""

from variegate.errors import DecodeError, ImageError, LimitError, UnsupportedError, VariegateError


class RequestError(VariegateError):
    """A request that gets an error as its answer.

    Attributes:
        status: of HTTP.
        retry_after_s: when to come again, for 503.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def of_image(error: ImageError, data: bytes, *, known: bool) -> RequestError:
    """Return what an image that cannot be used is answered with.

    Args:
        error: what the codec says.
        data: the file.
        known: whether it is of a known kind.
    """
    if isinstance(error, LimitError):
        return RequestError(413, str(error))
    if isinstance(error, UnsupportedError):
        return RequestError(415, str(error))
    if isinstance(error, DecodeError) and data and not known:
        # Without its first bytes: they are the client's, and nobody else's to see in a log.
        return RequestError(415, f"not an image ({len(data):,} bytes); send JPEG, PNG or WebP")
    return RequestError(400, str(error))
