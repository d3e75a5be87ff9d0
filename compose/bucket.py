"""Makes the bucket S3_BUCKET unless it is there. Runs in the worker's image, before gateway and worker."""

import os

import botocore.session


def main() -> None:
    s3 = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT_URL"],
        aws_access_key_id=os.environ["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["S3_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    bucket = os.environ["S3_BUCKET"]
    if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)


if __name__ == "__main__":
    main()
