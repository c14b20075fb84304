#!/usr/bin/env python3
"""s3_judge.py setup ENDPOINT BUCKET              creates bucket and user, turns the check of signatures on; prints key and secret
   s3_judge.py check ENDPOINT KEY SECRET BUCKET   prints "sha256 size key" of all objects,
                                                  read by boto3 and by pyarrow, which must agree
   s3_judge.py uploads ENDPOINT KEY SECRET BUCKET prints the number of unfinished multipart uploads"""
import hashlib, json, sys, urllib.request
import boto3
from botocore.config import Config


def client(service, endpoint, key, secret):
    return boto3.client(service, endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                        region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))


def setup(endpoint, bucket):
    client("s3", endpoint, "test", "test").create_bucket(Bucket=bucket)
    iam = client("iam", endpoint, "test", "test")
    iam.create_user(UserName="writer")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="writer", PolicyName="all", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName="writer")["AccessKey"]
    urllib.request.urlopen(urllib.request.Request(endpoint + "/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"})).read()
    print(made["AccessKeyId"], made["SecretAccessKey"])


def check(endpoint, key, secret, bucket):
    from pyarrow import fs
    s3 = client("s3", endpoint, key, secret)
    scheme, host = endpoint.split("://")
    arrow = fs.S3FileSystem(access_key=key, secret_key=secret, endpoint_override=host, scheme=scheme, region="us-east-1")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            # pyarrow refuses empty path components.
            if "//" not in item["Key"] and arrow.open_input_file(bucket + "/" + item["Key"]).read() != body:
                sys.exit(f"boto3 and pyarrow read different bytes of {item['Key']}")
            print(hashlib.sha256(body).hexdigest(), len(body), item["Key"])


def uploads(endpoint, key, secret, bucket):
    print(len(client("s3", endpoint, key, secret).list_multipart_uploads(Bucket=bucket).get("Uploads", [])))


if __name__ == "__main__":
    {"setup": setup, "check": check, "uploads": uploads}[sys.argv[1]](*sys.argv[2:])
