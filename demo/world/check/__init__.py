"""`--check`: proves row by row, through Home Assistant's own API, that the whole way from car to home and back works."""
