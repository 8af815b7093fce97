"""The page: the only part of rnnviz that knows Streamlit."""
