"""What may be uncertain, how far a plan holds, and who tries to break it."""
