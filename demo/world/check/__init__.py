"""`--check` proves, row by row and through Home Assistant's own API, the whole way from car to home and back."""
