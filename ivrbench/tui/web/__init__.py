"""The workbench in a browser: `ivrbench --web`."""
