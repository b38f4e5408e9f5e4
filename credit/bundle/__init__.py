"""The signed model bundle: everything a model version needs, in one verified directory."""
