"""One file a screen: what it is composed of, its keys, and where its news goes."""
