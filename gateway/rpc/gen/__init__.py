"""What scripts/protos.py makes of proto/: never edited by hand."""
