// A GraphQL client with a subscription: creates a job, runs it once, follows the execution to its end and deletes the job.
//
//   cd examples/graphql-client && npm ci && node client.mjs http://127.0.0.1:8081/graphql

import { setTimeout } from 'node:timers/promises'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

const url = process.argv[2] ?? 'http://127.0.0.1:8081/graphql'
/** Longest time without a query. */
const POLL_MILLIS = 2_000
const TERMINAL = new Set(['SUCCESS', 'FAILED', 'CANCELLED', 'LOST', 'SKIPPED'])

const CREATE = 'mutation ($input: CreateJobInput!) { createJob(input: $input) { id } }'
const RUN = 'mutation ($id: ID!) { runJobNow(id: $id) }'
const DELETE = 'mutation ($id: ID!) { deleteJob(id: $id) }'
const NEWEST = 'query ($jobId: ID!) { jobLogs(jobId: $jobId) { id status attempt errorMessage } }'
const UPDATED = 'subscription ($jobId: ID!) { executionUpdated(jobId: $jobId) { id } }'

/** One request. A refused command is an error with a code, and with the field that it is about. */
async function graphql(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(errors.map(({ message, extensions }) => `${extensions?.code}: ${message}`).join('; '))
  return data
}

/** Prints each change of the newest execution; resolves at a terminal state. */
async function follow(client, jobId, start) {
  const events = client.iterate({ query: UPDATED, variables: { jobId } })
  let event = events.next()
  await start()
  for (let shown = ''; ; ) {
    // Events are hints: the list is what counts.
    const [execution] = (await graphql(NEWEST, { jobId })).jobLogs
    const line = execution ? `${execution.status} attempt ${execution.attempt}` : ''
    if (line !== shown) console.log(line)
    shown = line
    if (execution && TERMINAL.has(execution.status)) break
    // An event of the time before the subscription, or of a broken connection, does not arrive: a query follows anyway.
    const { value } = await Promise.race([event, setTimeout(POLL_MILLIS, {})])
    if (value?.errors) throw new Error(JSON.stringify(value.errors))
    if (value) event = events.next()
  }
  await events.return()
}

const { createJob } = await graphql(CREATE, {
  input: { name: 'Example', scheduleType: 'ONCE', startAt: '2999-01-01T00:00:00Z', target: { noop: { sleepMillis: 200 } } },
})
console.log(`created ${createJob.id}`)
const client = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket })
try {
  await follow(client, createJob.id, () => graphql(RUN, { id: createJob.id }))
} finally {
  await client.dispose()
  await graphql(DELETE, { id: createJob.id })
  console.log('deleted')
}
