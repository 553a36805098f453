"""Functions that the SQL console lets through: ordinary scalar, aggregate and window functions, nothing else.

What is not here is refused: functions that read files, settings, the environment, the catalogue or other databases,
functions whose result can be made arbitrarily long, and functions that tell the machine's time.
"""

from __future__ import annotations

_SCALAR = """
abs sign round ceil ceiling floor trunc sqrt cbrt pow power exp ln log log2 log10 mod fmod greatest least pi radians
degrees sin cos tan atan atan2 even gcd lcm isnan isinf isfinite bit_count
coalesce ifnull nullif if
length len strlen char_length character_length lower upper lcase ucase trim ltrim rtrim substring substr left right
replace translate reverse concat concat_ws contains starts_with ends_with prefix suffix position strpos instr
split_part string_split str_split split string_split_regex str_split_regex regexp_split_to_array
regexp_matches regexp_full_match regexp_replace regexp_extract regexp_extract_all like_escape ilike_escape
not_like_escape not_ilike_escape ascii unicode chr ord md5 sha256 hash nfc_normalize strip_accents
levenshtein editdist3 jaccard jaro_similarity jaro_winkler_similarity hamming damerau_levenshtein
date_trunc datetrunc date_part datepart date_diff datediff date_sub datesub date_add year quarter month week
weekofyear yearweek isoyear day dayofmonth dayofweek isodow weekday dayofyear hour minute second millisecond
microsecond epoch epoch_ms epoch_us last_day monthname dayname make_date make_timestamp make_timestamptz strftime
strptime try_strptime timezone age to_days to_weeks to_months to_years to_hours to_minutes to_seconds to_timestamp
time_bucket
json_extract json_extract_string json_extract_path json_extract_path_text json_array_length json_type json_valid
json_keys json_value
list_value list_extract list_element array_extract list_contains list_has list_sort list_distinct list_unique
list_count list_sum list_min list_max list_avg list_first list_last list_position list_filter list_transform
list_reverse_sort list_concat list_slice array_slice array_length list_any_value list_has_any list_has_all
array_to_string struct_pack struct_extract row map_keys map_values map_extract element_at typeof unnest
"""
_AGGREGATE = """
count count_star count_if countif sum sum_no_overflow fsum kahan_sum avg favg mean min max median mode any_value first
last arbitrary arg_min arg_max argmin argmax min_by max_by stddev stddev_samp stddev_pop variance var_samp var_pop
corr covar_samp covar_pop regr_slope regr_intercept regr_r2 regr_count skewness kurtosis entropy mad
quantile quantile_cont quantile_disc percentile_cont percentile_disc approx_count_distinct approx_quantile bool_and
bool_or bit_and bit_or bit_xor product histogram string_agg group_concat listagg list array_agg grouping grouping_id
"""
_WINDOW = """
row_number rank dense_rank rank_dense percent_rank cume_dist ntile lag lead first_value last_value nth_value fill
"""
_OPERATORS = """
+ - * / // % ** ^ || & | << >> ~ ! ~~ !~~ ~~* !~~* ~~~ ~ !~ @ -> ->> @> <@ && ^@ <-> <=> <@>
"""

SCALAR_FUNCTIONS = frozenset(f"{_SCALAR} {_AGGREGATE} {_WINDOW} {_OPERATORS}".split())
TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
