"""What an export is refused with."""


class ExportError(ValueError):
    """A detector cannot be exported; the message says why, and where it begins."""
