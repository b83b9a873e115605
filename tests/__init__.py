"""The tests mirror nnwidgets/; ``python -m tests`` runs every stage."""
