"""The small local model: recipe, weights and figures of the grader used when no model hub can be reached."""
