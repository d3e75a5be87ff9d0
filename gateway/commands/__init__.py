"""One module for each command: add() its parsers, a function that runs it."""
