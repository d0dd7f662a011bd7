"""The systems of the papers, each as a recipe that runs from one command."""
