"""One page a file, each a function `page()` that draws it."""
