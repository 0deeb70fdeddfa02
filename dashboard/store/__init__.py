"""Store: what visitors have on the server: files, sets, networks, runs. No Streamlit."""
