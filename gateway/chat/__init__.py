"""A chat completion on its way through: what may be asked, where its texts are, how its answer is read."""
