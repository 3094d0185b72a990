"""prepare.py IN OUT: what dataset does, in Python's DuckDB: order by a hash of identifier and seed, cut, scale by the first part, write CSV."""
import os
import sys
import time

import duckdb

source, out = sys.argv[1], sys.argv[2]
began = time.perf_counter()
c = duckdb.connect()
c.execute("set threads = 2")
columns = [r[0] for r in c.execute(f"describe select * exclude (record_id, PRICE) from '{source}/*.parquet'").fetchall()]
c.execute(f"create table s as select row_number() over () as n, * exclude (record_id) from (select * from '{source}/*.parquet' order by hash(record_id, 42))")
rows = c.execute("select count(*) from s").fetchone()[0]
first, second = int(rows * 0.6), int(rows * 0.8)
fitted = c.execute("select " + ", ".join(f"avg({x}), stddev_pop({x})" for x in columns) + f" from s where n <= {first}").fetchone()
scaled = ", ".join(f"({x} - ({fitted[2 * i]!r})) / ({fitted[2 * i + 1] or 1.0!r}) as {x}" for i, x in enumerate(columns))
for name, low, high in (("train", 0, first), ("validation", first, second), ("test", second, rows)):
    os.makedirs(f"{out}/{name}", exist_ok=True)
    c.execute(f"copy (select PRICE, {scaled} from s where n > {low} and n <= {high}) to '{out}/{name}/0.csv' (header false)")
print("MARK prepare", time.perf_counter() - began)
