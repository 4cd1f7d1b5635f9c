"""`python -m gemgate`: the same as the installed command."""

from gemgate.cli import main

if __name__ == "__main__":
    main()
