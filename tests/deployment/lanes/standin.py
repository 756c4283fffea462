"""A stand-in of the model server: answers after a while, says its version, and ends when it is told to."""

import asyncio
import json
import os
import signal
import sys


async def main(port, version, *words):
    async def serve(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = next(
                    (int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length")), 0
                )
                await reader.readexactly(length)
                path = head.split(" ", 2)[1]
                status = "503 no" if path.endswith("/ready") and "never-ready" in words else "200 OK"
                if path.endswith("/infer"):
                    await asyncio.sleep(float(os.environ.get("DELAY_S", "0.01")))
                body = json.dumps({"version": version}).encode()
                framed = f"content-length: {len(body)}\r\n\r\n"
                if "chunked" in path:
                    framed = "transfer-encoding: chunked\r\n\r\n"
                    body = b"%x\r\n%s\r\n0\r\nx: y\r\n\r\n" % (len(body), body)
                elif "unframed" in path:
                    framed = "connection: close\r\n\r\n"
                sent = f"HTTP/1.1 {status}\r\nx-model-version: {version}\r\n{framed}".encode() + body
                writer.write(sent)
                await writer.drain()
                if "unframed" in path:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    if "ends" in words:
        sys.exit("no such library")
    if "deaf" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = await asyncio.start_server(serve, "127.0.0.1", int(port))
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
