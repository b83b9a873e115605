"""What made the loss jump."""
