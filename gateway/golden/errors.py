"""What ends a golden command with exit code 2."""


class Unusable(Exception):
    """A set, a run or a gateway that cannot be used; the message names the file and what is wrong."""
