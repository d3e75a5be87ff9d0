"""One outside thing per file; each turns foreign errors into ours."""
