"""The local API `/api/v1`: what the command line uses, the same on a running engine and on a stopped store."""
