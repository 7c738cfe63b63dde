// An MLLP server by node-hl7-server 2.5.0, which keeps what it read before: from the second message of a connection on
// it reads a former one again, and acknowledges that one's id. Prints the ids of what it reads as lines of JSON.
// Usage: node receive_confused.cjs '{"port": 2575, "tls": {"key": FILE, "cert": FILE, "ca": FILE}}' (tls may be left out)
const fs = require('node:fs')
const net = require('node:net')
const { Server } = require('node-hl7-server')

// node-hl7-server 2.5.0 hands its bind address to listen() as `hostname`, which node does not know: it would listen
// on every address of the machine.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (options, ...rest) {
  return listen.call(this, { ...options, host: '127.0.0.1' }, ...rest)
}

const tell = (what, value) => process.stdout.write(JSON.stringify({ [what]: value }) + '\n')
const { port, tls } = JSON.parse(process.argv[2])
const read = name => fs.readFileSync(tls[name])
const secured = tls && { tls: { key: read('key'), cert: read('cert'), ca: read('ca'), requestCert: true } }
const server = new Server({ bindAddress: '127.0.0.1', ...secured })
const inbound = server.createInbound({ port }, async (request, response) => {
  tell('received', request.getMessage().get('MSH.10').toString())
  await response.sendResponse('AA')
})
inbound.on('listen', () => tell('listening', port))
inbound.on('data.error', error => tell('error', String(error)))
