"""The tests, one function each: a stage in, a row of the report filled."""
