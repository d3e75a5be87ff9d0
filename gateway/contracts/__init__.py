"""What callers may send and what they get: JSON Schemas, versioned, and the one way from JSON to facts."""
