"""NVIDIA's own client against a running server: triton.py ADDRESS

The server serves iris, digits and the fixture `identity`, and lets clients load and unload.
"""

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], dtype=np.float32)


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InferenceServerException as error:
        assert error.status() == str(status), error
        return error.message()
    raise AssertionError("it was not refused")


def describes_itself(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("iris") and client.is_model_ready("iris", "1")
    assert not client.is_model_ready("rose")
    assert "statistics" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("iris")["inputs"][0]["shape"] == [-1, 4]
    assert client.get_model_config("iris")["max_batch_size"] > 0
    assert "unknown model" in refused(404, client.get_model_metadata, "rose")


def infers(client):
    for binary_in in (True, False):
        for binary_out in (True, False):
            for request, response in ((None, None), ("gzip", "deflate"), ("deflate", "gzip")):
                rows = triton.InferInput("input", IRIS.shape, "FP32")
                rows.set_data_from_numpy(IRIS, binary_data=binary_in)
                wanted = [triton.InferRequestedOutput(n, binary_data=binary_out) for n in ("probabilities", "label")]
                answer = client.infer("iris", [rows], outputs=wanted, request_id="7",
                                      request_compression_algorithm=request, response_compression_algorithm=response)
                assert answer.get_response()["id"] == "7"
                assert answer.as_numpy("label").tolist() == [0, 2]
                assert np.allclose(answer.as_numpy("probabilities").sum(axis=1), 1, atol=1e-5)
    rows = triton.InferInput("input", IRIS.shape, "FP32").set_data_from_numpy(IRIS)
    everything = client.infer("iris", [rows], model_version="1")
    assert everything.as_numpy("label").tolist() == [0, 2]
    pending = [client.async_infer("iris", [rows]) for _ in range(20)]
    assert all(p.get_result().as_numpy("label").tolist() == [0, 2] for p in pending)
    wrong = triton.InferInput("input", [1, 3], "FP32").set_data_from_numpy(IRIS[:1, :3])
    assert "[-1, 4]" in refused(400, client.infer, "iris", [wrong])


def takes_every_datatype(client):
    numbers = {kind: np.array([1, 2, 3], dtype=kind.lower()) for kind in ("INT8", "INT16", "INT32", "UINT16", "UINT32", "UINT64")}
    numbers["FP16"] = np.array([0.5, -1, 65504], dtype=np.float16)
    numbers["BF16"] = np.array([0.5, -1, 256], dtype=np.float32)
    numbers["BYTES"] = np.array(["", "Übung", "x" * 1000], dtype=np.object_)
    inputs = []
    for kind, values in numbers.items():
        inputs.append(triton.InferInput(f"{kind.lower()}_in", [3], kind).set_data_from_numpy(values))
    answer = client.infer("identity", inputs)
    for kind, values in numbers.items():
        back = answer.as_numpy(f"{kind.lower()}_out")
        if kind == "BYTES":
            back = np.array([text.decode() for text in back], dtype=np.object_)
        assert np.array_equal(back, values), (kind, back)


def counts(client):
    of = client.get_inference_statistics("iris")["model_stats"][0]
    assert of["inference_count"] >= 64 and of["inference_stats"]["fail"]["count"] == 0
    assert len(client.get_inference_statistics()["model_stats"]) == 3


def loads_and_unloads(client):
    client.unload_model("digits")
    assert not client.is_model_ready("digits")
    states = {m["name"]: m["state"] for m in client.get_model_repository_index()}
    assert states == {"digits": "UNAVAILABLE", "identity": "READY", "iris": "READY"}, states
    client.load_model("digits")
    assert client.is_model_ready("digits")
    assert "rose" in refused(404, client.load_model, "rose")


def lacks_extensions(client):
    assert "trace" in str(refused(404, client.get_trace_settings))
    assert "logging" in refused(404, client.get_log_settings)
    assert "shared memory" in refused(404, client.get_system_shared_memory_status)
    try:
        client.get_trace_settings()
    except InferenceServerException as error:
        assert "this server does not have" in str(error)


def main(address):
    client = triton.InferenceServerClient(address, concurrency=4)
    for step in (describes_itself, lacks_extensions, infers, takes_every_datatype, counts, loads_and_unloads):
        step(client)
        print(f"{step.__name__}: ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
