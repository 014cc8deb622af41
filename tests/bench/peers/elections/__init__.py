"""Daemons led by other libraries, each as that library's own documentation has it written.

Each is a program that does the lab's own work and tells of itself in `coord.events/1`. They run
under an interpreter in which the libraries are installed and coord is only found on the path: for
its event log, the work, and the lab's failpoints, never for leading.
"""
