"""The HTTP door: one file a protocol over one table of models."""
