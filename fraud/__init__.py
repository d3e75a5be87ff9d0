"""The fraud pair from nothing: card payments are simulated, described by 15 features, and two models learn them.

Read in this order: simulator, features, signals, train, measures, evaluate. Runs in the worker's environment."""
