"""All that a prediction needs: preprocessing, bundles, engine, registry, diagnoses. No HTTP, no TensorFlow."""
