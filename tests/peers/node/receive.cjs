// An MLLP server by simple-hl7: acknowledges every message AA, and prints each as one line of JSON.
// Usage: node receive.cjs '{"port": 2575, "tls": {"key": FILE, "cert": FILE, "ca": FILE}}' (tls may be left out)
const fs = require('node:fs')
const net = require('node:net')
const secure = require('node:tls')
const { port, tls } = JSON.parse(process.argv[2])
const tell = (what, value) => process.stdout.write(JSON.stringify({ [what]: value }) + '\n')

// simple-hl7 knows neither TLS nor a bind address: it makes its server by net.createServer and listens on a port only.
const createServer = net.createServer
net.createServer = served => {
  const read = name => fs.readFileSync(tls[name])
  const server = tls
    ? secure.createServer({ key: read('key'), cert: read('cert'), ca: read('ca'), requestCert: true }, served)
    : createServer(served)
  return { listen: at => server.listen(at, '127.0.0.1', () => tell('listening', at)) }
}

const hl7 = require('simple-hl7')
const app = hl7.tcp()
app.use((request, response, next) => {
  tell('received', request.raw)
  next()
})
app.use((request, response) => response.end())
app.use((error, request, response, next) => tell('error', String(error)))
app.start(port)
