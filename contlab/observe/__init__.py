"""Watching a container (or a guest): kernel files in, frozen snapshots out. Nothing here changes anything."""
