"""data.py OUT ROWS: made-up houses as Parquet in ten files, and as CSV with the price first and no header."""
import os
import sys

import duckdb

out, rows = sys.argv[1], int(sys.argv[2])
os.makedirs(f"{out}/parquet", exist_ok=True)
c = duckdb.connect()
c.execute(f"""create table houses as select i as record_id, 1950 + (i * 7919) % 74 as YEAR_BUILT, 800 + (i * 104729 % 350003) / 100.0 as SQUARE_FEET,
  1 + (i * 31) % 6 as NUM_BEDROOMS, 1 + (i * 17) % 7 * 0.5 as NUM_BATHROOMS, (i * 1299709 % 20011) / 10000.0 as LOT_ACRES, (i * 13) % 4 as GARAGE_SPACES,
  (i * 11) % 2 as FRONT_PORCH, (i * 3) % 2 as DECK, cast(100000 + 150 * (800 + (i * 104729 % 350003) / 100.0) + 9000 * ((i * 31) % 6) + (i * 15485863 % 40009) as bigint) as PRICE
  from range({rows}) t(i)""")
for n in range(10):
    c.execute(f"copy (select * from houses where record_id % 10 = {n}) to '{out}/parquet/{n}.parquet' (format parquet)")
c.execute(f"copy (select PRICE, * exclude (record_id, PRICE) from houses) to '{out}/train.csv' (header false)")
print("MARK rows", rows)
