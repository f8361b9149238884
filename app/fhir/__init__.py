"""Answers and errors as FHIR R4B resources, for clients whose `Accept` prefers `application/fhir+json`."""
