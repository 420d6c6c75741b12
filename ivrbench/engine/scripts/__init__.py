"""Scripts: found, loaded, kept by generation, and run in threads of their own."""
