"""Drives the S3 handler with boto3: s3.py ENDPOINT MODE, where MODE is boto3's request_checksum_calculation."""
import base64, hashlib, io, os, sys, tempfile, urllib.error, urllib.request, zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, mode = sys.argv[1:3]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s",
                  config=Config(request_checksum_calculation=mode, response_checksum_validation=mode, retries={"max_attempts": 1}))
B = "sagemaker-us-east-1-123456789012"


def refused(code, status, call, **args):
    try:
        call(**args)
    except ClientError as e:
        got = e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got == (code, status), (got, code, status, e)
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused with {code}")


def put(key, body=b"x", **args):
    return s3.put_object(Bucket=B, Key=key, Body=body, **args)


def get(key, **args):
    return s3.get_object(Bucket=B, Key=key, **args)


def buckets():
    assert refused("404", 404, s3.head_bucket, Bucket="no-such-bucket") == "Not Found"
    s3.create_bucket(Bucket=B)
    s3.create_bucket(Bucket=B)
    refused("BucketAlreadyOwnedByYou", 409, s3.create_bucket, Bucket=B, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    refused("InvalidBucketName", 400, s3.create_bucket, Bucket="xn")
    s3.head_bucket(Bucket=B, ExpectedBucketOwner="123456789012")
    refused("403", 403, s3.head_bucket, Bucket=B, ExpectedBucketOwner="999999999999")
    refused("AccessDenied", 403, s3.put_object, Bucket=B, Key="k", Body=b"", ExpectedBucketOwner="999999999999")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == [B]
    assert s3.get_bucket_location(Bucket=B)["LocationConstraint"] is None
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket="no-such-bucket")
    refused("NoSuchBucket", 404, s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"")


def objects():
    r = put("dir/source.tar.gz", b"hello world", ContentType="application/x-tar", Metadata={"Author": "me"}, CacheControl="no-store",
            ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/mine")
    assert r["ETag"] == '"%s"' % hashlib.md5(b"hello world").hexdigest(), r
    assert r["ServerSideEncryption"] == "aws:kms" and r["SSEKMSKeyId"] == "alias/mine", r
    for r in s3.head_object(Bucket=B, Key="dir/source.tar.gz"), get("dir/source.tar.gz"):
        assert r["ContentLength"] == 11 and r["ContentType"] == "application/x-tar" and r["Metadata"] == {"author": "me"}, r
        assert r["CacheControl"] == "no-store" and r["ServerSideEncryption"] == "aws:kms" and r["AcceptRanges"] == "bytes", r
    assert r["Body"].read() == b"hello world"
    r = get("dir/source.tar.gz", Range="bytes=6-")
    assert r["Body"].read() == b"world" and r["ContentRange"] == "bytes 6-10/11", r
    assert get("dir/source.tar.gz", Range="bytes=-5")["Body"].read() == b"world"
    assert get("dir/source.tar.gz", Range="bytes=0-0")["Body"].read() == b"h"
    refused("InvalidRange", 416, get, key="dir/source.tar.gz", Range="bytes=50-60")
    refused("304", 304, get, key="dir/source.tar.gz", IfNoneMatch=r["ETag"])
    refused("PreconditionFailed", 412, get, key="dir/source.tar.gz", IfMatch='"0"')
    r = get("dir/source.tar.gz", ResponseContentType="text/plain", ResponseContentDisposition="inline")
    assert r["ContentType"] == "text/plain" and r["ContentDisposition"] == "inline"
    refused("NoSuchKey", 404, get, key="none")
    assert refused("404", 404, s3.head_object, Bucket=B, Key="none") == "Not Found"
    put("plain", b"")
    assert get("plain")["ContentType"] == "binary/octet-stream" and get("plain")["ContentLength"] == 0
    refused("PreconditionFailed", 412, put, key="plain", IfNoneMatch="*")
    put("fresh", IfNoneMatch="*")
    refused("PreconditionFailed", 412, put, key="plain", IfMatch='"0"')
    put("stream", io.BytesIO(b"y" * 300000))
    assert get("stream")["Body"].read() == b"y" * 300000
    refused("KeyTooLongError", 400, put, key="k" * 1025)


def checksums():
    for name, value in ("SHA1", hashlib.sha1(b"abc").digest()), ("SHA256", hashlib.sha256(b"abc").digest()), ("CRC32", zlib.crc32(b"abc").to_bytes(4, "big")):
        want = base64.b64encode(value).decode()
        r = put("sum", b"abc", ChecksumAlgorithm=name)
        assert r["Checksum" + name] == want, r
        r = get("sum", ChecksumMode="ENABLED")
        assert r["Checksum" + name] == want and r["Body"].read() == b"abc", r
        wrong = base64.b64encode(bytes(len(value))).decode()
        refused("BadDigest", 400, put, key="sum", body=b"other", **{"Checksum" + name: wrong})
    crc64 = "BeXKuz/B+us="  # CRC-64/NVME of "abc"
    refused("BadDigest", 400, put, key="sum", body=b"other", ChecksumCRC64NVME=crc64)
    refused("BadDigest", 400, put, key="sum", body=b"other", ContentMD5=base64.b64encode(bytes(16)).decode())
    refused("InvalidDigest", 400, put, key="sum", body=b"other", ContentMD5="rubbish")
    assert get("sum")["Body"].read() == b"abc"
    refused("InvalidArgument", 400, put, key="sum", ServerSideEncryption="rot13")


def listings():
    keys = ["l/a", "l/a!", "l/a/b", "l/a/b/c", "l/a b", "l/b&<c>", "l/é", "l/日本", "l/n\nl", "l//x", "l/../y", "l/t/"]
    for k in keys:
        put(k, k.encode())
    order = sorted(keys, key=lambda k: k.encode())
    assert [o["Key"] for o in s3.list_objects(Bucket=B, Prefix="l/")["Contents"]] == order
    r = s3.list_objects_v2(Bucket=B, Prefix="l/")
    assert [o["Key"] for o in r["Contents"]] == order and r["KeyCount"] == len(order)
    assert r["Contents"][0]["ETag"] == '"%s"' % hashlib.md5(order[0].encode()).hexdigest()
    for op in "list_objects", "list_objects_v2":
        for size in 1, 2, 5:
            seen, groups = [], []
            for page in s3.get_paginator(op).paginate(Bucket=B, Prefix="l/", Delimiter="/", PaginationConfig={"PageSize": size}):
                assert len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) <= size
                seen += [o["Key"] for o in page.get("Contents", [])]
                groups += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            assert seen == ["l/a", "l/a b", "l/a!", "l/b&<c>", "l/n\nl", "l/é", "l/日本"] or sorted(seen) == sorted(k for k in keys if k.count("/") == 1), seen
            assert groups == ["l/../", "l//", "l/a/", "l/t/"] or sorted(groups) == sorted(["l/../", "l//", "l/a/", "l/t/"]), groups
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=B, Prefix="l/", StartAfter="l/é")["Contents"]] == ["l/日本"]
    r = s3.list_objects_v2(Bucket=B, Prefix="l/", MaxKeys=0)
    assert r["KeyCount"] == 0 and not r["IsTruncated"]
    for k in keys:
        assert get(k)["Body"].read() == k.encode(), k
    r = s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": k} for k in keys] + [{"Key": "never"}]})
    assert len(r["Deleted"]) == len(keys) + 1 and "Errors" not in r, r
    assert "Contents" not in s3.list_objects_v2(Bucket=B, Prefix="l/")


def copies():
    put("from é", b"copy me", Metadata={"a": "1"}, ContentType="text/x")
    r = s3.copy_object(Bucket=B, Key="to", CopySource={"Bucket": B, "Key": "from é"})
    assert r["CopyObjectResult"]["ETag"] == '"%s"' % hashlib.md5(b"copy me").hexdigest()
    r = get("to")
    assert r["Body"].read() == b"copy me" and r["Metadata"] == {"a": "1"} and r["ContentType"] == "text/x"
    s3.copy_object(Bucket=B, Key="to", CopySource={"Bucket": B, "Key": "from é"}, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert get("to")["Metadata"] == {"b": "2"}
    refused("NoSuchKey", 404, s3.copy_object, Bucket=B, Key="to", CopySource={"Bucket": B, "Key": "none"})
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=B, Key="to", CopySource={"Bucket": B, "Key": "from é"}, CopySourceIfMatch='"0"')


def multipart():
    data = os.urandom(13 << 20)
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/up", "wb") as f:
            f.write(data)
        s3.upload_file(d + "/up", B, "big", ExtraArgs={"Metadata": {"m": "1"}, "ServerSideEncryption": "AES256"}, Config=config)
        r = s3.head_object(Bucket=B, Key="big")
        md5s = b"".join(hashlib.md5(data[i:i + (5 << 20)]).digest() for i in range(0, len(data), 5 << 20))
        assert r["ETag"] == '"%s-3"' % hashlib.md5(md5s).hexdigest() and r["ContentLength"] == len(data) and r["Metadata"] == {"m": "1"}, r
        s3.download_file(B, "big", d + "/down", Config=config)
        assert open(d + "/down", "rb").read() == data
    etag = r["ETag"]
    assert get("big", IfMatch=etag)["ETag"] == etag
    refused("304", 304, get, key="big", IfNoneMatch=etag)
    assert [o["ETag"] for o in s3.list_objects_v2(Bucket=B, Prefix="big")["Contents"]] == [etag]
    s3.copy({"Bucket": B, "Key": "big"}, B, "big copy", Config=config)
    assert get("big copy")["Body"].read() == data
    u = s3.create_multipart_upload(Bucket=B, Key="parts", ChecksumAlgorithm="SHA256")
    up = dict(Bucket=B, Key="parts", UploadId=u["UploadId"])
    p = s3.upload_part(**up, PartNumber=2, Body=b"tail", ChecksumAlgorithm="SHA256")
    refused("BadDigest", 400, s3.upload_part, **up, PartNumber=3, Body=b"x", ChecksumSHA256=base64.b64encode(bytes(32)).decode())
    r = s3.list_parts(**up)
    assert [x["PartNumber"] for x in r["Parts"]] == [2] and r["Parts"][0]["Size"] == 4 and r["ChecksumAlgorithm"] == "SHA256", r
    assert [x["Key"] for x in s3.list_multipart_uploads(Bucket=B)["Uploads"]] == ["parts"]
    part = {"PartNumber": 2, "ETag": p["ETag"], "ChecksumSHA256": p["ChecksumSHA256"]}
    refused("InvalidPart", 400, s3.complete_multipart_upload, **up, MultipartUpload={"Parts": [{**part, "ETag": '"0"'}]})
    put("parts", b"in the way")
    refused("PreconditionFailed", 412, s3.complete_multipart_upload, **up, MultipartUpload={"Parts": [part]}, IfNoneMatch="*")
    r = s3.complete_multipart_upload(**up, MultipartUpload={"Parts": [part]})
    assert r["ETag"].endswith('-1"') and r["ChecksumSHA256"].endswith("-1"), r
    assert get("parts")["Body"].read() == b"tail"
    u = s3.create_multipart_upload(Bucket=B, Key="gone")
    s3.abort_multipart_upload(Bucket=B, Key="gone", UploadId=u["UploadId"])
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=B, Key="gone", UploadId=u["UploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=B)


def presigned():
    url = s3.generate_presigned_url("put_object", Params={"Bucket": B, "Key": "signed"})
    urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT"))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": B, "Key": "signed"})
    assert urllib.request.urlopen(url).read() == b"by url"


def ends():
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=B)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=B):
        s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": o["Key"]} for o in page["Contents"]], "Quiet": True})
    s3.delete_object(Bucket=B, Key="never was")
    s3.delete_bucket(Bucket=B)
    assert s3.list_buckets()["Buckets"] == []


for check in buckets, objects, checksums, listings, copies, multipart, presigned, ends:
    check()
    print("ok", check.__name__)
