"""The online store: codec, reader and Feast plug-in; importing this package imports nothing."""
