"""`python3 -m goodparts NAME ...` is `goodparts NAME ...`."""

from goodparts.cli import main

if __name__ == "__main__":
    main()
