// The examples against a real node. The receivers get deliveries of a real job, and what a retry, a recovery and a frozen node may
// send: each must have its effect once.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, graphql, startCluster } from '../static/e2e/cluster.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
/** The library of Standard Webhooks, a second judge of signatures. */
const { Webhook } = createRequire(here('graphql-client/package.json'))('standardwebhooks')
const RECEIVERS = {
  rust: [process.env.RECEIVER_RUST],
  python: ['python3', here('receiver-python/receiver.py')],
  node: [process.execPath, here('receiver-node/receiver.mjs')],
}
const CREATE = 'mutation ($input: CreateJobInput!) { createJob(input: $input) { id } }'
const CREATE_SECRET = 'mutation ($input: CreateSecretInput!) { createSecret(input: $input) { isSigning } }'
const LOG = 'query ($jobId: ID!) { jobLogs(jobId: $jobId) { id status attempt output } }'

let cluster
let folder
const receivers = []

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'horolog-examples-'))
  const keys = join(folder, 'keys')
  writeFileSync(keys, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
  cluster = await startCluster(1, ['--secrets-key-file', keys])
})
after(async () => {
  await Promise.all(receivers.map((receiver) => receiver.stop()))
  await cluster?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Starts a receiver; `url` is its address. With secrets it takes signed requests only. */
async function start(name, secrets = '') {
  const [program, ...args] = RECEIVERS[name]
  const ledger = join(folder, secrets ? `${name}-signed` : name)
  const env = { ...process.env, WEBHOOK_SECRET: secrets }
  const child = spawn(program, [...args, ledger], { stdio: ['ignore', 'pipe', 'inherit'], env })
  const gone = once(child, 'exit')
  const receiver = {
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await gone
    },
  }
  receivers.push(receiver)
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  receiver.url = await eventually(`${name} listens`, async () => /listening on (\S+)/.exec(said)?.[1])
  return receiver
}

/** One delivery as a node sends it: status and text of the answer. */
async function deliver(url, headers) {
  const response = await fetch(url, { method: 'POST', headers, body: '{"hello":"target"}' })
  return `${response.status} ${(await response.text()).trim()}`
}

const attempt = (key, number) => ({ 'idempotency-key': key, 'horolog-attempt': String(number) })

/** How often the effect of a key has happened. */
async function effects(url, key) {
  const text = await (await fetch(url)).text()
  return text.split('\n').filter((line) => line === key).length
}

for (const name of Object.keys(RECEIVERS)) {
  test(`${name}: a job has its effect once, whatever is delivered again`, async () => {
    const receiver = await start(name)
    const input = {
      name: `example ${name}`,
      scheduleType: 'ONCE',
      startAt: new Date(Date.now() + 3_000).toISOString(),
      payload: { hello: 'target' },
      target: { http: { url: receiver.url } },
    }
    const { createJob } = await graphql(cluster.url, CREATE, { input })
    const execution = await eventually(`the job of ${name} has run`, async () => {
      const [execution] = (await graphql(cluster.url, LOG, { jobId: createJob.id })).jobLogs
      return execution?.status === 'SUCCESS' ? execution : null
    })
    assert.equal(execution.output.trim(), 'done')
    assert.equal(await effects(receiver.url, execution.id), 1)
    assert.equal(await deliver(receiver.url, attempt(execution.id, execution.attempt)), '200 already done')
    assert.equal(await deliver(receiver.url, attempt(execution.id, execution.attempt + 1)), '200 already done')
    assert.equal(await deliver(receiver.url, attempt(execution.id, execution.attempt)), '409 stale')
    assert.equal(await effects(receiver.url, execution.id), 1)
  })

  test(`${name}: with a secret it takes what is signed with it, in its time`, async () => {
    const key = randomBytes(32)
    const secret = `whsec_${key.toString('base64')}`
    const receiver = await start(name, `whsec_${randomBytes(24).toString('base64')} ${secret}`)
    const webhook = new Webhook(secret)
    const body = '{"hello":"target"}'
    const signed = (id, time, of = body) => ({
      ...attempt(id, 1),
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(time / 1_000)),
      'webhook-signature': webhook.sign(id, new Date(time), of),
    })
    const now = Date.now()
    assert.equal(await deliver(receiver.url, signed('signed', now)), '200 done')
    const old = { ...signed('two', now), 'webhook-signature': `v1,AAAA ${signed('two', now)['webhook-signature']}` }
    assert.equal(await deliver(receiver.url, old), '200 done', 'one of several signatures')
    for (const headers of [
      attempt('none', 1),
      signed('early', now - 6 * 60_000),
      signed('late', now + 6 * 60_000),
      signed('body', now, `${body} `),
      { ...signed('id', now), 'webhook-id': 'other' },
      { ...signed('time', now), 'webhook-timestamp': String(Math.floor(now / 1_000) + 1) },
      { ...signed('empty', now), 'webhook-signature': '' },
    ]) {
      assert.match(await deliver(receiver.url, headers), /^401 /, JSON.stringify(headers))
    }
    assert.equal((await (await fetch(receiver.url)).text()).trim().split('\n').length, 2)

    const hosts = [new URL(receiver.url).host]
    await graphql(cluster.url, CREATE_SECRET, { input: { name: `${name}-secret`, value: secret, hosts } })
    const target = { http: { url: receiver.url, signingSecrets: [`${name}-secret`] } }
    const startAt = new Date(Date.now() + 1_000).toISOString()
    const input = { name: `signed ${name}`, scheduleType: 'ONCE', startAt, payload: { amount: 1.1, note: 'ä' }, target }
    const { createJob } = await graphql(cluster.url, CREATE, { input })
    await eventually(`the signed job of ${name} has run`, async () => {
      const [execution] = (await graphql(cluster.url, LOG, { jobId: createJob.id })).jobLogs
      return execution?.status === 'SUCCESS'
    })
  })

  test(`${name}: an attempt that is stale from the start does nothing`, async () => {
    const receiver = await start(name)
    assert.equal(await deliver(receiver.url, attempt('stale-first', 3)), '200 done')
    assert.equal(await deliver(receiver.url, attempt('stale-first', 2)), '409 stale')
    assert.equal(await effects(receiver.url, 'stale-first'), 1)
  })

  test(`${name}: deliveries at once have one effect`, async () => {
    const receiver = await start(name)
    const answers = await Promise.all(Array.from({ length: 8 }, () => deliver(receiver.url, attempt('at-once', 1))))
    assert.deepEqual(answers.sort(), [...Array(7).fill('200 already done'), '200 done'])
    assert.equal(await effects(receiver.url, 'at-once'), 1)
  })

  test(`${name}: what was done outlives a kill, and half a line of a crash was never done`, async () => {
    const killed = await start(name)
    assert.equal(await deliver(killed.url, attempt('killed', 2)), '200 done')
    await killed.stop()
    if (name !== 'python') appendFileSync(join(folder, name), '1\thalf')
    const receiver = await start(name)
    assert.equal(await deliver(receiver.url, attempt('killed', 2)), '200 already done')
    assert.equal(await deliver(receiver.url, attempt('killed', 1)), '409 stale')
    assert.equal(await deliver(receiver.url, attempt('half', 1)), '200 done')
    assert.equal(await effects(receiver.url, 'killed'), 1)
  })

  test(`${name}: a delivery without a key or with an odd attempt is refused`, async () => {
    const receiver = await start(name)
    for (const headers of [{}, { 'idempotency-key': 'a' }, attempt('a', 0), attempt('a', 'x'), attempt('../a', 1)]) {
      assert.match(await deliver(receiver.url, headers), /^400 /, JSON.stringify(headers))
    }
  })
}

test('the GraphQL client follows its execution to the end', async () => {
  const args = [here('graphql-client/client.mjs'), `${cluster.url}/graphql`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.match(said, /^created \S+\n(?:RUNNING attempt 1\n)?SUCCESS attempt 1\ndeleted\n$/)
})

test('the request of the README creates a job', async () => {
  const [, body] = /<<'JSON'\n(.*?)\nJSON\n/s.exec(readFileSync(here('../README.md'), 'utf8'))
  const { createJob } = await graphql(cluster.url, JSON.parse(body).query)
  assert.equal(createJob.nextFireTimes.length, 3)
})

test('the commands of getting started are valid', async () => {
  const page = readFileSync(here('../docs/getting-started.md'), 'utf8')
  const shell = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block)
  const commands = shell.filter((block) => block.includes('gql ') || block.includes('gql()')).filter((block) => !block.includes('kill '))
  assert.equal(commands.length, 3)
  const script = commands.join('\n').replaceAll('http://127.0.0.1:8081', cluster.url).replace(/^target=.*$/m, `target=${cluster.sinkUrl}`)
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.doesNotMatch(said, /"errors"/)
  assert.match(said, /"pauseReason":"the target moves"/)
  assert.match(said, /"deleteJob":true/)
})
