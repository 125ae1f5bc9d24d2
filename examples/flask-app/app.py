"""Where App Service starts: its Python images find `app` in app.py by themselves and serve it with gunicorn."""

import os

from azure.identity import DefaultAzureCredential

from backends import all_backends, odbc_connect
from settings import Settings
from web import create_app

app = create_app(all_backends(Settings.from_environment(os.environ), DefaultAzureCredential(), odbc_connect))
