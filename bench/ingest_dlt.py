"""dlt's side of the ingest benchmark (runs in dlt's own environment); prints the seconds on the last line."""

import os
import sys
import time

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"

import dlt
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    """URL FOLDER: load every record into DuckDB."""
    url, folder = sys.argv[1], sys.argv[2]
    source = rest_api_source(
        {
            "client": {"base_url": url},
            "resources": [
                {
                    "name": "records",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "records",
                        "data_selector": "records",
                        "paginator": {
                            "type": "page_number",
                            "base_page": 1,
                            "page_param": "page",
                            "total_path": None,
                            "has_more_path": "has_more",
                        },
                    },
                }
            ],
        }
    )
    os.makedirs(folder, exist_ok=True)
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=os.path.join(folder, "state"),
        destination=dlt.destinations.duckdb(os.path.join(folder, "dlt.duckdb")),
        dataset_name="bench",
    )
    started = time.perf_counter()
    pipeline.run(source)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
