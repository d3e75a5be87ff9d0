"""The golden set: cases with known marks, asking a grader all of them, and comparing two of its versions."""
