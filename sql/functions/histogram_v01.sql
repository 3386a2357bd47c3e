-- Histograms of milliseconds with logarithmic buckets: bucket 0 is 0 ms, bucket b ends at 1.09^(b-1) ms. A histogram is an array
-- whose subscripts are the buckets, from the first to the last that is not empty: '[25:27]={3,0,1}'. Two of them add up to the
-- histogram of all their values, and any quantile comes out within 5 % (exact up to 11 ms). NULL is the empty one.

CREATE FUNCTION pgcron.bucket_of(p_ms bigint) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN p_ms < 1 THEN 0 ELSE 1 + pg_catalog.ceil(pg_catalog.ln(p_ms::double precision) / 0.08617769624105241)::integer END
$$;
COMMENT ON FUNCTION pgcron.bucket_of(bigint) IS 'The bucket of a histogram to which a number of milliseconds belongs.';

-- The value between a bucket's ends that is as far from both, relatively: 4.3 %.
CREATE FUNCTION pgcron.bucket_ms(p_bucket integer) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN p_bucket < 1 THEN 0 WHEN v.ms < 11.4 THEN pg_catalog.round(v.ms) ELSE v.ms END
    FROM (SELECT 2 / 2.09 * pg_catalog.power(1.09::double precision, p_bucket - 1) AS ms) v
$$;
COMMENT ON FUNCTION pgcron.bucket_ms(integer) IS 'The milliseconds that a bucket of a histogram stands for.';

CREATE FUNCTION pgcron.histogram_of(p_buckets integer[]) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog AS $$
DECLARE
  first integer;
  last integer;
  counts integer[];
  bucket integer;
BEGIN
  SELECT min(b), max(b) INTO first, last FROM unnest(p_buckets) b;
  IF first IS NULL THEN
    RETURN NULL;
  END IF;
  counts := array_fill(0, ARRAY[last - first + 1], ARRAY[first]);
  FOREACH bucket IN ARRAY p_buckets LOOP
    counts[bucket] := counts[bucket] + 1;
  END LOOP;
  RETURN counts;
END $$;
COMMENT ON FUNCTION pgcron.histogram_of(integer[]) IS 'The histogram of values whose buckets these are.';

CREATE FUNCTION pgcron.histogram_plus(p_one integer[], p_other integer[]) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog AS $$
DECLARE
  counts integer[];
  first integer := LEAST(array_lower(p_one, 1), array_lower(p_other, 1));
BEGIN
  IF p_one IS NULL OR p_other IS NULL THEN
    RETURN coalesce(p_one, p_other);
  END IF;
  counts := array_fill(0, ARRAY[GREATEST(array_upper(p_one, 1), array_upper(p_other, 1)) - first + 1], ARRAY[first]);
  FOR bucket IN array_lower(counts, 1) .. array_upper(counts, 1) LOOP
    counts[bucket] := coalesce(p_one[bucket], 0) + coalesce(p_other[bucket], 0);
  END LOOP;
  RETURN counts;
END $$;
COMMENT ON FUNCTION pgcron.histogram_plus(integer[], integer[]) IS 'The histogram of the values of two histograms.';

CREATE AGGREGATE pgcron.histogram_sum(integer[]) (SFUNC = pgcron.histogram_plus, STYPE = integer[], COMBINEFUNC = pgcron.histogram_plus,
  PARALLEL = SAFE);
COMMENT ON AGGREGATE pgcron.histogram_sum(integer[]) IS
  'The histogram of the values of many: SELECT pgcron.quantile(pgcron.histogram_sum(duration_histogram), 0.95) FROM pgcron.cron_daily.';

CREATE FUNCTION pgcron.quantile(p_histogram integer[], p_share double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE
  rank double precision := GREATEST(1, ceil(p_share * (SELECT sum(n) FROM unnest(p_histogram) n)));
  passed bigint := 0;
BEGIN
  FOR bucket IN array_lower(p_histogram, 1) .. array_upper(p_histogram, 1) LOOP
    passed := passed + p_histogram[bucket];
    IF passed >= rank THEN
      RETURN pgcron.bucket_ms(bucket);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION pgcron.quantile(integer[], double precision) IS
  'The milliseconds below or at which this share (0 to 1) of a histogram''s values lies, within 5 %.';
