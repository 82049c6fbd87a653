"""One file per provider. `base` is the door: the words all providers speak, and how one is made from a URL."""
