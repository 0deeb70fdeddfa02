"""Host: the server or the browser tab that the app runs in."""
