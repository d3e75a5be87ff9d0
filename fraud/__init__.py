"""The fraud pair from nothing: card payments are simulated, described by 15 features, and two models learn.

Read in this order: simulator, features, signals, examples, export, train, measures, evaluate. It runs in the
worker's environment."""
