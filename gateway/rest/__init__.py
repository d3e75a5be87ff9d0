"""The HTTP door: OpenAI's and KServe's protocols over one service."""
