"""The public conformance suite, run on every store against a real server."""
