// Workers on a real cluster: a node at HOROLOG_URL that a script has started.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { FinalError, RetryLater, Worker } from '../dist/index.js'

const URL = process.env.HOROLOG_URL
const SKIP = { skip: URL ? false : 'needs HOROLOG_URL: scripts/worker-clients sets it' }

async function graphql(query, variables) {
  const answer = await fetch(`${URL}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await answer.json()
  assert.equal(errors, undefined, JSON.stringify(errors))
  return data
}

/** A job of the handler that is due at once. */
async function create(handler, more = {}) {
  const target = { handler: { name: handler } }
  const input = { name: handler, scheduleType: 'FIXED_RATE', intervalSeconds: 3600, target, ...more }
  const create = 'mutation($input: CreateJobInput!) { createJob(input: $input) { id } }'
  return (await graphql(create, { input })).createJob.id
}

async function logs(id) {
  const query = 'query($id: ID!) { jobLogs(jobId: $id) { id status reason errorMessage output attempt } }'
  return (await graphql(query, { id })).jobLogs
}

/** Waits for a state of the cluster. */
async function until(what, look) {
  const end = Date.now() + 60_000
  while (Date.now() < end) {
    const seen = await look()
    if (seen) return seen
    await new Promise((resume) => setTimeout(resume, 20))
  }
  throw new Error(`waited in vain until ${what}`)
}

const settled = (id) =>
  until('it is settled', async () => {
    const [row] = await logs(id)
    return row && !['RUNNING', 'RETRYING'].includes(row.status) && row
  })
const running = (id) => until('it runs', async () => (await logs(id)).find((row) => row.status === 'RUNNING'))

/** A worker that ends with the test. */
function start(t, offer) {
  const name = `t-${randomUUID().slice(0, 8)}`
  const worker = new Worker(URL, { name, ttlSeconds: 5, drainMillis: 10_000, abandonMillis: 500 })
  offer(worker, name)
  const ended = worker.serve()
  t.after(async () => {
    worker.stop()
    await ended
  })
  return { name, worker, ended }
}

test('a handler runs with its payload', SKIP, async (t) => {
  const { name } = start(t, (worker, name) =>
    worker.handler(name, async (run, payload) => {
      run.progress(50, 'half')
      return { customer: payload.customer, attempt: run.attempt }
    }),
  )
  const row = await settled(await create(name, { payload: { customer: 7 } }))
  assert.deepEqual([row.status, JSON.parse(row.output)], ['SUCCESS', { customer: 7, attempt: 1 }])
})

test('failures are retried, delayed or final', SKIP, async (t) => {
  const seen = []
  const { name } = start(t, (worker, name) =>
    worker.handler(name, (run) => {
      seen.push([run.attempt, run.checkpoint])
      run.save({ page: run.attempt })
      if (run.attempt === 1) throw new Error('first')
      if (run.attempt === 2) throw new RetryLater('second', 0.1)
      throw new FinalError('third')
    }),
  )
  const retry = { maxAttempts: 9, initialBackoffSeconds: 0 }
  const row = await settled(await create(name, { retry }))
  assert.deepEqual([row.status, row.attempt, row.errorMessage], ['FAILED', 3, 'third'])
  assert.deepEqual(seen, [
    [1, null],
    [2, { page: 1 }],
    [3, { page: 2 }],
  ])
})

test('a cancellation and a time limit stop a handler', SKIP, async (t) => {
  let stopped = 0
  const { name } = start(t, (worker, name) =>
    worker.handler(name, async (run) => {
      await once(run.signal, 'abort')
      stopped += 1
    }),
  )
  const job = await create(name)
  const { id } = await running(job)
  await graphql('mutation($id: ID!) { cancelExecution(id: $id) }', { id })
  assert.equal((await settled(job)).status, 'CANCELLED')
  const limited = await settled(await create(name, { timeoutSeconds: 1 }))
  assert.deepEqual([limited.status, limited.reason, stopped], ['FAILED', 'TIMEOUT', 2])
})

test('a stop drains', SKIP, async (t) => {
  let goOn
  const { name, worker, ended } = start(t, (worker, name) =>
    worker.handler(name, () => new Promise((resume) => (goOn = () => resume('finished')))),
  )
  const job = await create(name)
  await until('it has begun', () => goOn)
  worker.stop()
  const later = await create(name)
  goOn()
  await ended
  assert.equal((await settled(job)).output, 'finished')
  assert.deepEqual(await logs(later), [])
})

test('a killed worker is taken over by another', SKIP, async (t) => {
  const { name } = start(t, (worker, name) => worker.handler(`${name}-other`, () => null))
  const module = new globalThis.URL('../dist/index.js', import.meta.url)
  const program = `
    import { Worker } from ${JSON.stringify(module.href)}
    const worker = new Worker(${JSON.stringify(URL)}, { name: 'victim', ttlSeconds: 5 })
    worker.handler(${JSON.stringify(name)}, () => { console.log('begun'); return new Promise(() => {}) })
    await worker.run()`
  const victim = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const job = await create(name)
  await once(victim.stdout, 'data')
  victim.kill('SIGKILL')
  const heir = new Worker(URL, { ttlSeconds: 5 }).handler(name, (run) => `attempt ${run.attempt}`)
  const ended = heir.serve()
  t.after(async () => {
    heir.stop()
    await ended
  })
  assert.equal((await settled(job)).output, 'attempt 2')
})

test('a worker that was declared dead stops and joins again', SKIP, async (t) => {
  let stopped = false
  const { name } = start(t, (worker, name) =>
    worker.handler(name, async (run) => {
      if (run.attempt > 1) return `attempt ${run.attempt}`
      await once(run.signal, 'abort')
      stopped = true
    }),
  )
  const job = await create(name)
  await running(job)
  const listed = await (await fetch(`${URL}/workers`)).json()
  const own = listed.find((worker) => worker.name === name)
  // As a node would that takes it for dead.
  assert.ok((await fetch(`${URL}/workers/${own.id}`, { method: 'DELETE' })).ok)
  assert.equal((await settled(job)).output, 'attempt 2')
  assert.ok(stopped)
})
