"""The version of the product, of its client and of the REST API: one number for all."""

__version__ = "0.2.0"
