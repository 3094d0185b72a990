"""FeatureGroupManager and the ingestion of a table."""
import time

import pandas
from common import bucket, role, session
from sagemaker.core.shapes import OfflineStoreConfig, OnlineStoreConfig, S3StorageConfig
from sagemaker.mlops.feature_store import FeatureGroupManager
from sagemaker.mlops.feature_store.feature_utils import ingest_dataframe, load_feature_definitions_from_dataframe

table = pandas.DataFrame({"id": [1, 2, 3], "at": [time.time()] * 3, "price": [1.5, 2.5, 3.5], "city": ["Ulm", "Bonn", "Jena"]})
group = FeatureGroupManager.create(
    feature_group_name="sdk3", record_identifier_feature_name="id", event_time_feature_name="at", role_arn=role, feature_definitions=load_feature_definitions_from_dataframe(table),
    online_store_config=OnlineStoreConfig(enable_online_store=True), offline_store_config=OfflineStoreConfig(s3_storage_config=S3StorageConfig(s3_uri="s3://%s/features" % bucket)))
group.wait_for_status("Created")
ingest_dataframe("sdk3", table, max_workers=2, max_processes=1, wait=True)
record = {v.feature_name: v.value_as_string for v in group.get_record(record_identifier_value_as_string="2").record}
assert record["city"] == "Bonn" and float(record["price"]) == 2.5, record
group.delete()
print("ok")
