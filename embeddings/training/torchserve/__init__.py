"""For those who still run TorchServe; the project itself serves with `embeddings/`. See README.md."""
