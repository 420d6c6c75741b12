"""How much memory the engine may take, and what happens as that runs short."""
