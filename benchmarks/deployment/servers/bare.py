"""The least that answers Open Inference Protocol requests: uvicorn, msgspec and one ONNX session. It checks nothing.

MODEL=/path/model.onnx uvicorn --app-dir benchmarks/deployment/servers bare:app
"""

import json
import os
from typing import Any

import msgspec
import numpy as np
import onnxruntime


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(msgspec.Struct):
    """What is asked."""

    inputs: list[Tensor]


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
columns = json.loads(session.get_modelmeta().custom_metadata_map["plumbline.columns"])
name = session.get_inputs()[0].name
outputs = [(one.name, "INT64" if "int64" in one.type else "FP32") for one in session.get_outputs()]
names = [one for one, _ in outputs]
decode = msgspec.json.Decoder(Request).decode
encode = msgspec.json.Encoder().encode


async def app(_scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    body = b""
    more = True
    while more:
        part = await receive()
        body += part.get("body", b"")
        more = part.get("more_body", False)
    inputs = decode(body).inputs
    if len(inputs) == 1:
        matrix = np.array(inputs[0].data, dtype=np.float32).reshape(inputs[0].shape)
    else:
        sent = {one.name: one.data for one in inputs}
        matrix = np.array([sent[one] for one in columns], dtype=np.float32).T
    answers = session.run(names, {name: matrix})
    tensors = [
        {"name": one, "shape": array.shape, "datatype": datatype, "data": array.ravel().tolist()}
        for (one, datatype), array in zip(outputs, answers, strict=True)
    ]
    answer = encode({"model_name": "churn", "outputs": tensors})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
