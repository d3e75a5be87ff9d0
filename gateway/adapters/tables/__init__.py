"""Uploaded tables: read strictly, in a process of their own, and kept in a folder."""
