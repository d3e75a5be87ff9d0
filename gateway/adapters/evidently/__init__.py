"""Drift by Evidently, in a process of its own, with methods and thresholds of ours."""
