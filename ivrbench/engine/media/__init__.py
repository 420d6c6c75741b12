"""What calls say and hear, as the engine sees it: playlists, rooms, and the workers behind."""
