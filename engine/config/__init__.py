"""What users write: the strict YAML loader, the models, the checks, JSON Schemas and the reference.

`models` is what channels and steps subclass; `load.load_configuration` is what everybody else calls.
"""
