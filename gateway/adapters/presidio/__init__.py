"""Personal data found by Presidio and recognisers of our own, in worker processes."""
