"""What an answer owes to marks in a picture, to its surroundings, and to its being a picture of another kind."""
