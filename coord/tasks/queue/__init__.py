"""The queue worker and what it asks of a queue."""
