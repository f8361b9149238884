"""The example answers of the HTTP contract, as existing clients know them."""

from typing import Any

SKIN: dict[str, Any] = {
    "success": True,
    "prediction": {
        "class_id": 5,
        "name": "Melanocytic Nevi",
        "type": "benign",
        "confidence": 0.89,
        "confidence_percent": "89.0%",
    },
    "staging": {
        "stage": "Benign",
        "description": "Non-cancerous skin lesion.",
        "prognosis": "No cancer treatment needed.",
    },
    "severity": "low",
    "urgency": {
        "timeline": "Routine - Within 1-3 months",
        "action": "Follow-up at next appointment",
        "color": "green",
    },
    "treatment_options": ["Usually no treatment needed", "Surgical removal if desired", "Regular monitoring"],
    "recommendations": {
        "level": "low",
        "title": "Benign Lesion - Low Risk",
        "message": "Non-cancerous skin lesion.",
        "actions": ["Continue regular skin self-exams", "Annual skin cancer screenings"],
    },
}
HEART: dict[str, Any] = {
    "success": True,
    "prediction": {"class_id": 0, "name": "Normal", "confidence": 0.92, "confidence_percent": "92.0%"},
    "severity": "healthy",
    "staging": {"stage": "Normal", "description": "No significant abnormality."},
    "treatment_options": ["Heart-healthy diet", "Regular exercise", "Annual checkups"],
}
BREAST: dict[str, Any] = {
    "success": True,
    "prediction": {
        "class_id": 1,
        "name": "Benign Finding",
        "birads": "BI-RADS 2",
        "confidence": 0.85,
        "confidence_percent": "85.0%",
    },
    "severity": "low",
    "recommendations": {
        "level": "low",
        "title": "Benign Finding",
        "actions": ["Continue regular screening", "Monthly self-exams"],
    },
}
XRAY: dict[str, Any] = {
    "success": True,
    "prediction": {"name": "Normal", "confidence": 0.94, "confidence_percent": "94.0%"},
    "severity": "healthy",
    "recommendations": ["No signs of pneumonia detected", "Continue regular health maintenance"],
}
DISEASE_REQUEST: dict[str, Any] = {"symptoms": ["fever", "cough", "headache", "fatigue"]}
DISEASE: dict[str, Any] = {
    "success": True,
    "prediction": {"disease": "Common Cold", "confidence": 0.72, "confidence_percent": "72.0%"},
    "top_predictions": [
        {"disease": "Common Cold", "probability": 0.72},
        {"disease": "Influenza", "probability": 0.18},
        {"disease": "COVID-19", "probability": 0.06},
    ],
    "symptoms_analyzed": ["fever", "cough", "headache", "fatigue"],
    "recommendations": ["Consider scheduling a doctor visit", "Stay hydrated and rest", "Monitor symptoms"],
}
HEART_RISK_REQUEST: dict[str, Any] = {
    "age": 55,
    "sex": 1,
    "blood_pressure": 145,
    "cholesterol": 250,
    "chest_pain": 2,
    "max_heart_rate": 140,
}
HEART_RISK: dict[str, Any] = {
    "success": True,
    "prediction": {
        "condition": "Moderate-High Risk",
        "risk_level": "Moderate-High",
        "probability": 0.52,
        "confidence_percent": "52.0%",
    },
    "risk_factors": {
        "age": {"value": 55, "risk": "moderate"},
        "blood_pressure": {"value": 145, "risk": "high"},
        "cholesterol": {"value": 250, "risk": "high"},
    },
    "recommendations": [
        "Schedule cardiologist appointment",
        "Monitor blood pressure regularly",
        "Follow heart-healthy diet",
    ],
}


def departures(expected: object, actual: object, path: str = "answer") -> list[str]:
    """Where `actual` lacks a field of `expected`, or has another JSON type or value there; more fields are allowed."""
    if type(expected) is not type(actual):
        return [f"{path}: {type(actual).__name__} instead of {type(expected).__name__}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        missing = [f"{path}.{key}: missing" for key in expected if key not in actual]
        shared = [key for key in expected if key in actual]
        return missing + [fault for key in shared for fault in departures(expected[key], actual[key], f"{path}.{key}")]
    return [] if expected == actual else [f"{path}: {actual!r} instead of {expected!r}"]


def type_departures(expected: object, actual: object, path: str = "answer") -> list[str]:
    """Where `actual` lacks a field of `expected` or has another JSON type there; values may differ."""
    if type(expected) is not type(actual):
        return [f"{path}: {type(actual).__name__} instead of {type(expected).__name__}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        missing = [f"{path}.{key}: missing" for key in expected if key not in actual]
        shared = [key for key in expected if key in actual]
        return missing + [fault for key in shared for fault in type_departures(expected[key], actual[key], key)]
    if isinstance(expected, list) and isinstance(actual, list):
        return [fault for item in actual for fault in type_departures(expected[0], item, f"{path}[]")]
    return []
