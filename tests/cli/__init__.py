"""The command line: verbs on a running engine and on a stopped store."""
