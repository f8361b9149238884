"""The models in service: bundles, how they are loaded, computed and scheduled."""
