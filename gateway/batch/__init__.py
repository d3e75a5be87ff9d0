"""Grading many submissions: files from the command line, and queued batches behind REST."""
