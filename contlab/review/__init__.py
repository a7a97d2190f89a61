"""What is remembered: notes that come due, cards, and the log of every review."""
