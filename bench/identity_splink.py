"""Splink's side of the identity benchmark (runs in Splink's own environment).

FILE: records with prepared columns. Trains, then prints the seconds of predict and of clustering, with how many pairs
and clusters came out, as JSON; the last line is the sum of the seconds.
"""

import json
import sys
import time

import pyarrow.parquet as pq
import splink.internals.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

RULES = ["tax", "phone", "email", "domain", "core", "trade"]


def main() -> None:
    """Estimate u (m is the product's own shipped one), predict, cluster."""
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            cl.JaroWinklerAtThresholds("core", [0.95, 0.88]).configure(
                term_frequency_adjustments=True, m_probabilities=[0.55, 0.18, 0.13, 0.14]
            ),
            cl.ExactMatch("tax").configure(m_probabilities=[0.94, 0.06]),
            cl.ExactMatch("phone").configure(m_probabilities=[0.72, 0.28]),
            cl.ExactMatch("domain").configure(m_probabilities=[0.85, 0.15]),
            cl.JaroWinklerAtThresholds("street", [0.9]).configure(m_probabilities=[0.58, 0.14, 0.28]),
            cl.ExactMatch("number").configure(m_probabilities=[0.7, 0.3]),
            cl.ExactMatch("city").configure(m_probabilities=[0.85, 0.15]),
        ],
        blocking_rules_to_generate_predictions=[
            *(block_on(rule) for rule in RULES),
            block_on("number", "substr(street, 1, 5)"),
            block_on("substr(trade, 1, 4)", "city"),
            block_on("substr(trade, 1, 6)"),
        ],
        retain_matching_columns=False,
    )
    api = DuckDBAPI()
    linker = Linker(api.register(pq.read_table(sys.argv[1])), settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match([block_on("tax"), block_on("core")], recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    started, processor = time.perf_counter(), time.process_time()
    found = linker.inference.predict(threshold_match_probability=0.2)
    predicted = time.perf_counter()
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(found, threshold_match_probability=0.9)
    ended, spent = time.perf_counter(), time.process_time() - processor
    table = clusters.as_duckdbpyrelation()
    print(
        json.dumps(
            {
                "predict": round(predicted - started, 3),
                "cluster": round(ended - predicted, 3),
                "cpu": round(spent, 3),
                "pairs": found.as_duckdbpyrelation().count("*").fetchall()[0][0],
                "clusters": len({row[0] for row in table.project("cluster_id").fetchall()}),
            }
        )
    )
    print(ended - started)


if __name__ == "__main__":
    main()
