"""Real processes under fire on loopback: what breaks, and whether it breaks as docs/chaos.md says."""
