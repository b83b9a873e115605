"""What is known of a run: its data, model, optimizer and environment."""
