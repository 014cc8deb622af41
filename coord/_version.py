"""The version, and nothing else: the build reads it here, `coord.__version__` repeats it."""

__version__ = "0.1.0"
