"""What starts, tests and locks the project. Nothing here is imported by the system itself."""
