"""One module a data set; each reads the layout in which the set is published."""
