"""Programs as users write them, read by the type checkers and never run."""
