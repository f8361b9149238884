"""DICOM objects (PS3) to pictures and ECG records, with what the extra `dicom` installs."""
