"""Exchange: networks out to other libraries and in again, each read by the format's own library."""
