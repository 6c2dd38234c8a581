// An idempotent webhook receiver in Node.js: each execution has its effect once. Standard library only.
//
//   node examples/receiver-node/receiver.mjs ledger.tsv 9000
//
// The ledger is a file with one line for each accepted attempt: attempt, key, 1 for an effect. A line is the effect and its record
// at once, so that a crash leaves both or none. A service with a database writes them in one transaction instead.
//
// With the variable WEBHOOK_SECRET (one or two `whsec_…`, with a space between them) it takes signed requests only.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'

/** Longest difference between the time of a signature and the clock of this machine, in seconds. */
const TOLERANCE = 5 * 60
/** The limit of a payload, in bytes. */
const BODY_MAX = 256 * 1024
const KEY = /^[0-9A-Za-z-]{1,64}$/
const ATTEMPT = /^[1-9][0-9]{0,8}$/

const [path = 'ledger.tsv', port = '0'] = process.argv.slice(2)
/** The keys of the signing secrets: the old and the new one while one replaces the other. */
const keys = (process.env.WEBHOOK_SECRET ?? '')
  .split(' ')
  .filter(Boolean)
  .map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
const file = openSync(path, 'a+')
/** By key: the highest attempt that was accepted, and whether the effect has happened. */
const executions = new Map()

/** Reads the ledger. A last line without an end is the rest of a crash: its effect has not happened. */
function readLedger() {
  const bytes = readFileSync(path)
  const whole = bytes.lastIndexOf('\n') + 1
  ftruncateSync(file, whole)
  for (const line of bytes.subarray(0, whole).toString().split('\n').slice(0, -1)) {
    const [attempt, key, effect] = line.split('\t')
    executions.set(key, { attempt: Number(attempt), hasEffect: effect === '1' || executions.get(key)?.hasEffect === true })
  }
}

/** The effect and its record, on disk before the answer: an answer of 200 is never asked for again. */
function write(key, attempt, effect) {
  const line = Buffer.from(`${attempt}\t${key}\t${effect ? 1 : 0}\n`)
  for (let written = 0; written < line.length; ) written += writeSync(file, line, written)
  fdatasyncSync(file)
  executions.set(key, { attempt, hasEffect: effect || executions.get(key)?.hasEffect === true })
}

/** Whether one of the signatures (Standard Webhooks) is that of one of the keys. `body` is what was sent, not parsed. */
function isSigned(headers, body) {
  const { 'webhook-id': id = '', 'webhook-timestamp': time = '', 'webhook-signature': given = '' } = headers
  if (!/^[0-9]{1,12}$/.test(time) || Math.abs(Date.now() / 1_000 - Number(time)) > TOLERANCE) return false
  const signatures = given.split(' ').map((signature) => Buffer.from(signature))
  return keys.some((key) => {
    const expected = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64')}`)
    return signatures.some((one) => one.length === expected.length && timingSafeEqual(one, expected))
  })
}

/** One delivery: the status and the text of the answer. Nothing in it waits, so two deliveries of a key follow each other. */
function accept(key, attempt) {
  const known = executions.get(key)
  // A node that was frozen may deliver an old attempt after a newer one.
  if (known && attempt < known.attempt) return [409, 'stale\n']
  const hasEffect = known?.hasEffect === true
  if (!known || known.attempt < attempt) write(key, attempt, !hasEffect)
  return [200, hasEffect ? 'already done\n' : 'done\n']
}

function answer(request, body) {
  if (request.method === 'GET') {
    const done = [...executions].filter(([, { hasEffect }]) => hasEffect)
    return [200, done.map(([key]) => `${key}\n`).join('')]
  }
  if (keys.length > 0 && !isSigned(request.headers, body)) return [401, 'the signature is not valid\n']
  const { 'idempotency-key': key = '', 'horolog-attempt': attempt = '' } = request.headers
  if (!KEY.test(key) || !ATTEMPT.test(attempt)) return [400, 'Idempotency-Key and Horolog-Attempt are required\n']
  try {
    return accept(key, Number(attempt))
  } catch (error) {
    console.error(`cannot write the ledger: ${error.message}`)
    // Whether the line is on disk is unknown: only a new start, which reads the file, can tell.
    process.exit(1)
  }
}

readLedger()
const server = createServer((request, response) => {
  const chunks = []
  let length = 0
  request.on('data', (chunk) => {
    length += chunk.length
    chunks.push(chunk)
    if (length > BODY_MAX) request.destroy()
  })
  // After the whole body: an answer before it would break the connection of the sender.
  request.on('end', () => {
    const [status, text] = answer(request, Buffer.concat(chunks))
    response.writeHead(status, { 'content-type': 'text/plain' }).end(text)
  })
})
server.requestTimeout = 10_000
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}/`))
