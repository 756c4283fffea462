"""Export of the model's graph: pooling and normalisation inside, weights outside.

The graph names each weight as the safetensors file does (`….weight`, or `….weight.T` where it wants the transpose) and
holds none of the large ones. So it is small enough to be package data, and the weights that run are those whose
checksum was taken.
Needs `plumbline[index]`; `python -m plumbline_search.graph` writes the packaged graph anew.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from plumbline_search.model import NAME, WEIGHTS_SHA256, ModelFiles, model_files

PACKAGED = Path(__file__).resolve().parent / "minilm-l6-v2.onnx"
OPSET = 18
_INLINE = 1024
"""Elements up to which a constant stays in the graph, if it is no weight."""
TRANSPOSED = ".T"


def export(files: ModelFiles) -> bytes:
    """Export the graph of a checked model.

    Raises:
        ImportError: torch, transformers or onnx is missing.
        RuntimeError: The exporter made a large constant that is no weight of the model.
    """
    import onnx
    import torch
    from transformers import AutoConfig, BertModel

    # Attention in plain operators: ONNX Runtime fuses these itself.
    config = AutoConfig.from_pretrained(files.folder, attn_implementation="eager", local_files_only=True)
    encoder = BertModel(config, add_pooling_layer=False)
    weights = _weights(files)
    encoder.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    example = torch.ones(2, 8, dtype=torch.long)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=512)}
    program = torch.onnx.export(
        _pooled(encoder),
        (example, torch.ones_like(example)),
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence_embedding"],
        dynamic_shapes={"input_ids": axes, "attention_mask": axes},
    )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    whole = io.BytesIO()
    onnx.save(program.model_proto, whole)
    return strip(onnx.load_from_string(whole.getvalue()), weights)


def _pooled(encoder: Any) -> Any:
    """Wrap the encoder: mean over the tokens that are not padding, then length 1, as the model card defines it."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            types = torch.zeros_like(input_ids)
            hidden = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=types
            ).last_hidden_state
            held = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * held).sum(1) / held.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2.0, dim=1)

    return Pooled().eval()


def strip(model: Any, weights: dict[str, Any]) -> bytes:
    """Replace each weight in a graph by a reference to it, and drop what only the exporter needs.

    Raises:
        RuntimeError: A large constant is no weight of the model.
    """
    from onnx import TensorProto, numpy_helper

    renamed: dict[str, str] = {}
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype.kind != "f" or value.size == 1:
            continue
        name = _name_of(value, weights)
        if name is None and value.size > _INLINE:
            raise RuntimeError(
                f"the exported graph holds a constant of shape {value.shape} that is no weight: {tensor.name}"
            )
        if name is not None:
            renamed[tensor.name] = name
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
            tensor.name = name
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="model.safetensors")
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for part in (model, model.graph, *model.graph.input, *model.graph.output, *model.graph.initializer):
        part.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    model.ClearField("functions")
    model.metadata_props.add(key="model", value=NAME)
    model.metadata_props.add(key="weights_sha256", value=WEIGHTS_SHA256)
    return bytes(model.SerializeToString(deterministic=True))


def _name_of(value: Any, weights: dict[str, Any]) -> str | None:
    import numpy as np

    for name, weight in weights.items():
        if weight.shape == value.shape and np.array_equal(weight, value):
            return name
        if weight.ndim == 2 and weight.T.shape == value.shape and np.array_equal(weight.T, value):
            return name + TRANSPOSED
    return None


def _weights(files: ModelFiles) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(files.weights))


if __name__ == "__main__":
    PACKAGED.write_bytes(export(model_files()))
    sys.stdout.write(f"{PACKAGED}: {PACKAGED.stat().st_size} bytes\n")
