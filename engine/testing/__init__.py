"""The shipped test kit: contract suites for channels, scripted peers, and what a channel gets in a test."""
