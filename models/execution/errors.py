"""What is said of a way to run a detector that cannot be had here."""


class UnsupportedSettingError(ValueError):
    """This device cannot run a precision, execution or attention kernel."""
