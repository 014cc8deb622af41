"""The measuring instruments, checked against examples computed by hand."""
