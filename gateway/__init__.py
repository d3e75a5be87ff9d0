"""The grading gateway: the guarded door in front of the models. Read pipeline.py first."""
