"""The store on SQLite: one file, one writer, group commit; body files beside it."""
