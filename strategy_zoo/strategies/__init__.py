"""One strategy a file; a new file with a ``@register`` class is found without any other change."""
