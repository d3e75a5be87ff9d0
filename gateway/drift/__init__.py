"""Drift of the live traffic: what is noted of it, what it is compared with, and how it has changed."""
