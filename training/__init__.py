"""Trains, measures and exports the models the service ships. Needs the `training` extra."""
