"""Housekeeping tasks: written once, run by leaders, co-leaders or a queue."""
