"""Parquet files as Hugging Face's datasets library writes pictures, written by pyarrow (26.0.1):

    python3 tests/golden/data_parquet.py > tests/golden/data_parquet.json

Four rows in two row groups; picture i is a plain 4 x 4 PNG of grey level 40 * (i + 1).
"""
import base64, io, json

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(level):
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (level, level, level)).save(out, "PNG")
    return out.getvalue()


def table(label_type):
    labels = [1, 0, 1, 0] if label_type == pa.int64() else ["dog", "cat", "dog", "cat"]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": png(40 * (i + 1)), "path": f"{i}.png"} for i in range(4)]
    made = pa.table({"image": pa.array(rows, image), "label": pa.array(labels, label_type)})
    if label_type == pa.int64():
        features = {
            "image": {"_type": "Image"},
            "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        }
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    return made


def encoded(made, compression):
    out = io.BytesIO()
    pq.write_table(made, out, row_group_size=2, compression=compression)
    return base64.b64encode(out.getvalue()).decode()


kinds = {"int64": pa.int64(), "string": pa.string()}
print(json.dumps({f"{name} {c}": encoded(table(kind), c) for name, kind in kinds.items() for c in ["snappy", "zstd", "none"]}, indent=1))
