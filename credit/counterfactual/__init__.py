"""The smallest change of one feature, of those a client can change, that turns a decision round."""
