"""Wake-up hints between the processes of one relay, carried by PostgreSQL NOTIFY or by Redis."""
