"""Pickles in the layout of CIFAR's Python version, small, and what they hold.

    python data_pickle.py > data_pickle.json             (numpy 2, Python 3)
"""

import base64
import json
import pickle

import numpy as np

data = (np.arange(4 * 6, dtype=np.uint32) * 37 % 256).astype(np.uint8).reshape(4, 6)
b64 = lambda raw: base64.b64encode(raw).decode()

# What Python 2 wrote (the published files): byte strings as U/T opcodes, numpy.core, protocol 2.
python2 = (
    b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05(K\x06K\x09K\x00K\x03e"
    b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09U\x01b\x87Rq\x0a"
    b"(K\x01K\x04K\x06\x86cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    b"T\x18\x00\x00\x00" + data.tobytes() + b"tbU\x09filenamesq\x0d]q\x0e(U\x05a.pngU\x05b.pnge" + b"u."
)
assert (pickle.loads(python2, encoding="bytes")[b"data"] == data).all()

python3 = pickle.dumps({b"data": data, b"labels": [6, 9, 0, 3], b"filenames": [b"a.png", b"b.png"]}, 2)
text_keys = pickle.dumps({"data": data, "labels": [6, 9, 0, 300], "coarse": [70000, -5]}, 2)
fortran = pickle.dumps({b"data": np.asfortranarray(data), b"labels": [6, 9, 0, 3]}, 2)


class Evil:
    def __reduce__(self):
        return (eval, ("1+1",))


print(json.dumps({
    "data": {"shape": [4, 6], "bytes": b64(data.tobytes())},
    "python2": b64(python2), "python3": b64(python3), "textKeys": b64(text_keys), "fortran": b64(fortran),
    "evil": b64(pickle.dumps({b"data": Evil()}, 2)),
    "float": b64(pickle.dumps({b"data": data.astype(np.float32)}, 2)),
    "objects": b64(pickle.dumps({b"data": np.array([{}], dtype=object)}, 2)),
    "protocol4": b64(pickle.dumps({b"data": data}, 4)),
}, indent=1))
