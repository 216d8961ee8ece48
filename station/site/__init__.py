"""What stays at the site: patients by name, their history, cartridges used, the keys all of it is sealed with."""
