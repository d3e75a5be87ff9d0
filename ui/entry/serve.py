"""What `python -m ui` has Streamlit serve: the pages of app.py, behind bounds on what is uploaded."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from ui.settings import read_settings
from ui.uploads import Uploads

_OF_SESSION, _OF_ALL = 2, 10  # files of the largest size

_largest = read_settings().max_upload_mb << 20
app = st.App(
    Path(__file__).with_name("app.py"),
    middleware=[Middleware(Uploads, session_bytes=_OF_SESSION * _largest, all_bytes=_OF_ALL * _largest)],
)
