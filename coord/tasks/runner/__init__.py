"""Runs scheduled tasks: under terms, or by putting their units on a queue."""
