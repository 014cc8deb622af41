"""The housekeeping that the lab has led, struck and measured: rows that expire and are deleted.

Owns the work of the demo and of chaos in every mode, done by processes of its own. Knows no
fault: what strikes these processes, and when, is decided elsewhere and not told to them.
"""
