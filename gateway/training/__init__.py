"""Classical models: data sets, training jobs, versions of models, and the worker that does the work."""
