-- Cohorts over the data set, one of them frozen, and a lookup table: for what compares two servers.
SELECT analytics_groups.define_cohort('payers', '{"all": [{"did": "Payment", "at_least": 1, "from_date": "2024-01-01", "to_date": "2024-03-31"}, {"sequence": ["Sign Up", "Payment"], "within": "50 years"}]}');
SELECT analytics_groups.define_cohort('growing', '{"any": [{"first_time": "Sign Up", "from_date": "2024-02-01", "to_date": "2024-02-29"}, {"not": {"did": "Payment", "measure": "sum", "property": "amount", "at_most": 500, "within": "50 years"}}]}', by => 'company_id');
SELECT analytics_groups.define_cohort('first payers', '{"cohort": "payers"}');
SELECT analytics_groups.freeze_cohort('first payers') > 0 AS frozen;
SELECT analytics_groups.set_lookup_table('countries', E'code,continent,eu\nDE,Europe,true\nFR,Europe,true\nUS,Americas,false\nBR,Americas,false\nIN,Asia,');
SELECT analytics_groups.map_lookup('country', 'countries');
