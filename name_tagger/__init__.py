"""Trains the tagger of names and addresses that the gateway's masking runs, in the training environment."""
