"""One file per carrier. `base` is the door: the words all carriers speak, and how one is made from a URL."""
