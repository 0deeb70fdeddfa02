"""Components: the few things on a page that Streamlit does not draw well itself."""
