"""What asks more than the paper does; the rooms outside import nothing from here."""
