// Three real nodes on a real PostgreSQL, and an endpoint for webhooks; everything ends with the test, by pid.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chmodSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = process.env.HOROLOG_BIN ?? fileURLToPath(new URL('../../target/debug/horolog', import.meta.url))

// Without it no node ever listens, and each test would wait for one.
if (!isProgram(PROGRAM)) {
  process.stderr.write(`dashboard: there is no program ${PROGRAM}: build it (cargo build), or name it in HOROLOG_BIN\n`)
  process.exit(1)
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Looks until there is something to see; fails after a while that no healthy machine needs. */
export async function eventually(what, look) {
  const until = Date.now() + 30_000
  for (;;) {
    const seen = await look().catch(() => null)
    if (seen) return seen
    if (Date.now() > until) throw new Error(`waited in vain until ${what}`)
    await new Promise((resume) => setTimeout(resume, 50))
  }
}

/** Starts `count` nodes with some flags; `url` is the first one's. What was started ends with `stop`, and when the test is interrupted. */
export async function startCluster(count, flags = []) {
  const dataDir = mkdtempSync(join(tmpdir(), 'horolog-e2e-'))
  chmodSync(dataDir, 0o755) // as root the server runs as somebody else
  const sink = createServer((_, answer) => answer.end('received'))
  const nodes = []
  const end = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    sink.close()
    await stopPostgres(dataDir)
    rmSync(dataDir, { recursive: true, force: true })
  }
  // Once, however often it is asked for: Ctrl-C comes from the terminal and again from `timeout`.
  let ending
  const stop = () => {
    ending ??= end()
    return ending
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop().finally(() => process.exit(1)))
  sink.listen(0, '127.0.0.1')
  await once(sink, 'listening')
  try {
    for (let number = 1; number <= count; number += 1) {
      const node = spawnNode(dataDir, `node-${number}`, flags)
      nodes.push(node)
      await node.ready()
    }
  } catch (failure) {
    await stop()
    throw failure
  }
  /** One more node, with other flags. */
  const add = async (name, flags) => {
    const node = spawnNode(dataDir, name, flags)
    nodes.push(node)
    await node.ready()
    return node
  }
  /** A command of the program about the database of the nodes; answers what it prints. */
  const command = (args, input) => runCommand(dataDir, args, input)
  return { url: nodes[0].url, nodes, add, command, sinkUrl: `http://127.0.0.1:${sink.address().port}/`, stop }
}

/** The tests' own variables are none of the program's, which refuses what it does not know. */
function environment() {
  const own = ['DATABASE_URL', 'HOROLOG_BIN', 'HOROLOG_BROWSER', 'HOROLOG_JOBS']
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.includes(name))), NO_COLOR: '1' }
}

async function runCommand(dataDir, args, input = '') {
  const DATABASE_URL = `postgresql://horolog@${encodeURIComponent(join(dataDir, 'run'))}/horolog`
  const child = spawn(PROGRAM, args, { env: { ...environment(), DATABASE_URL }, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  const note = (text) => {
    said += text
  }
  child.stdout.setEncoding('utf8').on('data', note)
  child.stderr.setEncoding('utf8').on('data', note)
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`horolog ${args.join(' ')} ended with ${code}:\n${said}`)
  return said
}

function spawnNode(dataDir, name, flags = []) {
  const env = { ...environment(), HOROLOG_DRAIN_DELAY: '0s' }
  const address = flags.includes('--listen') ? [] : ['--listen', '127.0.0.1:0']
  const listen = [...address, '--http-allow', '127.0.0.0/8', '--drain-timeout', '2s']
  const child = spawn(PROGRAM, ['serve', '--data-dir', dataDir, '--node-name', name, ...listen, ...flags], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  const note = (text) => {
    log += text
  }
  child.stdout.setEncoding('utf8').on('data', note)
  child.stderr.setEncoding('utf8').on('data', note)
  const gone = once(child, 'exit')
  return {
    name,
    url: '',
    /** What it has written so far. */
    log: () => log,
    async ready() {
      const seen = await eventually(`${name} listens`, async () => {
        return /serving url=(\S+)/.exec(log)?.[1] ?? (child.exitCode === null ? null : `ended:\n${log}`)
      })
      if (!seen.startsWith('http')) throw new Error(`${name} ${seen}`)
      this.url = seen
      await eventually(`${name} is ready`, async () => (await fetch(`${seen}/readyz`)).ok)
    },
    kill: () => child.kill('SIGKILL'),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await gone
    },
  }
}

/** The embedded server outlives its nodes on purpose; here it ends. */
async function stopPostgres(dataDir) {
  const file = join(dataDir, 'pg/postmaster.pid')
  if (!existsSync(file)) return
  process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 'SIGINT')
  await eventually('PostgreSQL has stopped', async () => !existsSync(file))
}

/** One request to the API. */
export async function graphql(url, query, variables = {}) {
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await answer.json()
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}
