"""The dashboard: pages over the gateway's API."""
