"""Web: the same app as a folder of static files, which a visitor's browser runs by itself."""
