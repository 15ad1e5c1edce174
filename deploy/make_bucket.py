"""Make a bucket where AWS_ENDPOINT_URL points, unless it is there: for a storage of one's own, such as that of compose.yaml."""

import os
import sys

from pyarrow.fs import S3FileSystem

scheme, _, host = os.environ["AWS_ENDPOINT_URL"].rpartition("://")
storage = S3FileSystem(endpoint_override=host, scheme=scheme or "https", allow_bucket_creation=True)
storage.create_dir(sys.argv[1])
