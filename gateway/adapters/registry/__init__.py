"""MLflow or ClearML, in a process of its own. Import `process`: it is light, the tools load in the child."""
