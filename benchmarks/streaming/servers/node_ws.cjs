// Every message goes to all clients: the `ws` package as its own documentation shows it, without compression.
const { WebSocketServer } = require(process.env.WS_PACKAGE);
const server = new WebSocketServer(
  { host: "127.0.0.1", port: 0, perMessageDeflate: false, backlog: 4096 },
  () => console.log(server.address().port),
);
server.on("connection", (client) => {
  client.on("message", (data) => {
    for (const other of server.clients) if (other.readyState === 1) other.send(data, { binary: false });
  });
  client.on("error", () => {});
});
