// An MLLP client by node-hl7-client: sends messages on one connection, each after the answer to the one before, and
// prints MSA-1 and MSA-2 of each answer as one line of JSON.
// A refusal is told once the connection is `patience` milliseconds old: earlier, node-hl7-client does not look.
// Usage: node send.cjs '{"port": 2575, "messages": [TEXT], "patience": 10000, "tls": {"key": FILE, "cert": FILE, "ca": FILE}}'
const fs = require('node:fs')
const { Client, Message } = require('node-hl7-client')

const { port, messages, patience, tls } = JSON.parse(process.argv[2])
const read = name => fs.readFileSync(tls[name])
const secured = tls && { tls: { key: read('key'), cert: read('cert'), ca: read('ca'), servername: 'localhost' } }
const client = new Client({ host: '127.0.0.1', connectionTimeout: patience, ...secured })
const next = async () => {
  if (messages.length === 0) process.exit(0)
  await connection.sendMessage(new Message({ text: messages.shift() }))
}
const connection = client.createConnection({ port }, async answer => {
  const message = answer.getMessage()
  const told = [message.get('MSA.1').toString(), message.get('MSA.2').toString()]
  process.stdout.write(JSON.stringify(told) + '\n', () => next())
})
connection.on('connect', next)
connection.on('client.error', error => {
  process.stderr.write(String(error) + '\n', () => process.exit(1))
})
