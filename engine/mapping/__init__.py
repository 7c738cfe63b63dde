"""Mappers: declarative files that turn one document into another."""
