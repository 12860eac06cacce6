"""`python -m outreach.cli`: the command where its script is not on the path."""

from outreach.cli.app import main

if __name__ == "__main__":
    main()
