"""The hostile matrix: every fault on every store in every mode, and the table of what came of it.

`cells` has what is played, `playing` plays one, `results` keeps what came of it, `table` renders
it, `lanes` plays many side by side; `python -m tests.lab.matrix` does all of it.
"""
