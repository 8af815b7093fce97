"""rnnviz: where the gradient goes in a recurrent network.

streamlit run app.py. The same file is the server (it adds the routes the board loads its script from) and the page.
"""

import rnnviz  # noqa: F401  first: it sets NumPy to one thread before anything imports NumPy
from rnnviz.ui import page, server

if server.outside_a_session():
    import streamlit as st

    app = st.App(__file__, routes=server.routes())
else:
    page.show()
