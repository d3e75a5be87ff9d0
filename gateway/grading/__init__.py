"""Grading without any I/O: rubric, prompt, the model's reply, points."""
