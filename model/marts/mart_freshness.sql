-- What is staged per source and entity, and when the latest version was seen. Whether that is fresh is asked with
-- the clock and the run ledger.
-- grain: global
-- key: source, entity
-- not_null: source, entity
-- cluster: source, entity
select source, entity, current_count, version_count, last_seen_at
from meta.staging_profile
