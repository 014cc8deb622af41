"""`python -m coord`: the command line, where scripts are not on the PATH. Knows nothing else."""

from coord.cli import main

if __name__ == "__main__":
    main(prog_name="coord")
