"""How the models that the embeddings service serves are made: prepare -> train -> evaluate, a YAML file each.

A training's life: config.py (the YAML) -> data.py (public sets -> one frame) -> checks.py (is it sound) ->
kinds.py (which network, which batches) -> fitting.py (weights) -> evaluation.py (figures) -> tracking.py and
drift.py (what is kept of it). stages.py is the line through them. The service never imports any of this.
"""
