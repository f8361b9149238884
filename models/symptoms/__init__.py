"""Plain words to symptoms: the vocabulary, how a text is read, and the combinations that call for urgent care."""
