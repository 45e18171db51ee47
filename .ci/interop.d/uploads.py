"""tuspy, a client of the tus protocol by others: creates, is interrupted, resumes, and sends an empty file."""

import base64
import io
import os
import urllib.request

import tusclient.client


def tus(server):
    """Resumable uploads."""
    content = os.urandom(3_000_000)
    url = f"http://{server.address}/v1/experiments/default/uploads"
    client = tusclient.client.TusClient(url, headers={"Authorization": server.headers["Authorization"]})
    metadata = {"filename": "naïve 文件.bin", "filetype": "image/png"}
    first = client.uploader(file_stream=io.BytesIO(content), chunk_size=700_000, metadata=metadata)
    first.upload(stop_at=1_400_000)
    assert first.offset == 1_400_000, first.offset

    # Another process knows only the URL of the upload.
    second = client.uploader(file_stream=io.BytesIO(content), chunk_size=1_000_000, url=first.url)
    assert second.offset == 1_400_000, second.offset
    second.upload()
    artifact = second.request.response_headers["artifact-location"]

    def get(path):
        request = urllib.request.Request(f"http://{server.address}{path}", headers=server.headers)
        with urllib.request.urlopen(request) as answer:
            return answer.headers, answer.read()

    headers, stored = get(artifact + "/content")
    assert stored == content
    assert headers["content-type"] == "image/png"
    assert "filename*=UTF-8''na%C3%AFve%20" in headers["content-disposition"], headers["content-disposition"]

    empty = client.uploader(file_stream=io.BytesIO(b""), chunk_size=10)
    empty.upload()
    headers, _ = get(empty.url.removeprefix(f"http://{server.address}"))
    digest = base64.b64decode("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    assert headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    print("tuspy: created, resumed in another process, an empty file")
