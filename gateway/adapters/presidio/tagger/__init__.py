"""A small neural tagger of names and addresses in Latin letters; name_tagger/ trains it."""
