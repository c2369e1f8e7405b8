"""The embedded store: a LadybugDB database in one file."""
