// Other people's GraphQL clients as their manuals use them, and the audit of GraphQL over HTTP, against a real node.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { codegen } from '@graphql-codegen/core'
import * as types from '@graphql-codegen/typescript'
import * as operations from '@graphql-codegen/typescript-operations'
import { Client, fetchExchange } from '@urql/core'
import { buildClientSchema, getIntrospectionQuery, parse, printSchema } from 'graphql'
import { serverAudits } from 'graphql-http'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { startCluster } from '../../static/e2e/cluster.mjs'

const CREATE = 'mutation Create($input: CreateJobInput!) { createJob(input: $input) { id name } }'
const JOB = 'query Job($id: ID!) { job(id: $id) { id name nextFireTime } }'
const PATHS = ['/graphql', '/scheduler-instance/graphql']

let cluster
before(async () => {
  cluster = await startCluster(1)
})
after(() => cluster?.stop())

const url = (path = PATHS[1]) => cluster.url + path
const job = (name, cronExpression = '0 3 * * *') => ({ input: { name, scheduleType: 'CRON', cronExpression } })
const WRONG = job('wrong', '0 99 * * *')

for (const path of PATHS) {
  for (const { id, name, fn } of serverAudits({ url: () => url(path) })) {
    test(`audit ${id} of ${path}: ${name}`, async () => {
      const { status, reason } = await fn()
      // What is only allowed is partly the opposite of what should be: 400 where `application/json` should have 200.
      if (!name.startsWith('MAY use 4')) assert.equal(status, 'ok', reason)
    })
  }
}

for (const version of [3, 4, 5, 6, 7]) {
  test(`graphql-request ${version}`, async () => {
    const loaded = await import(`graphql-request-${version}`)
    const { GraphQLClient } = loaded.GraphQLClient ? loaded : loaded.default
    const client = new GraphQLClient(url())
    const { createJob } = await client.request(CREATE, job(`by graphql-request ${version}`))
    const read = await client.request(JOB, { id: createJob.id })
    assert.equal(read.job.name, `by graphql-request ${version}`)
    assert.match(read.job.nextFireTime, /T03:00:00\.000Z$/)
    const refusal = await client.request(CREATE, WRONG).catch((error) => error)
    assert.equal(refusal.response.errors[0].extensions.field, 'cronExpression')
  })
}

const require = createRequire(import.meta.url)
const APOLLO = {
  // Its folders have no `exports`, so that `import` does not find what is in them.
  3: async () => ({ ...require('apollo-client-3/core'), ...require('apollo-client-3/link/persisted-queries') }),
  4: async () => ({ ...(await import('apollo-client-4')), ...(await import('apollo-client-4/link/persisted-queries')) }),
}

for (const [version, load] of Object.entries(APOLLO)) {
  for (const hashed of [false, true]) {
    test(`Apollo ${version}${hashed ? ' with persisted queries' : ''}`, async () => {
      const apollo = await load()
      const sent = []
      const http = new apollo.HttpLink({
        uri: url(),
        fetch: (to, options) => {
          sent.push(JSON.parse(options.body))
          return fetch(to, options)
        },
      })
      const sha256 = (text) => createHash('sha256').update(text).digest('hex')
      const persisted = () =>
        apollo.createPersistedQueryLink
          ? apollo.createPersistedQueryLink({ sha256 })
          : new apollo.PersistedQueryLink({ sha256 })
      const link = hashed ? persisted().concat(http) : http
      const client = new apollo.ApolloClient({ link, cache: new apollo.InMemoryCache() })
      const name = `by Apollo ${version} ${hashed}`
      const created = await client.mutate({ mutation: apollo.gql(CREATE), variables: job(name) })
      const { id } = created.data.createJob
      const read = await client.query({ query: apollo.gql(JOB), variables: { id } })
      assert.equal(read.data.job.name, name)
      assert.equal(
        sent.some(({ query }) => !query),
        hashed,
        'the hash alone is sent first',
      )
      const refusal = await client.mutate({ mutation: apollo.gql(CREATE), variables: WRONG }).catch((error) => error)
      assert.equal((refusal.graphQLErrors ?? refusal.errors)[0].extensions.field, 'cronExpression')
      const unknown = await client.query({ query: apollo.gql('{ nonsense }') }).catch((error) => error)
      assert.match((unknown.graphQLErrors ?? unknown.errors)[0].message, /nonsense/)
      client.stop()
    })
  }
}

for (const preferGetMethod of [undefined, true, false]) {
  test(`urql, preferGetMethod: ${preferGetMethod}`, async () => {
    const methods = []
    const client = new Client({
      url: url(),
      preferGetMethod,
      exchanges: [fetchExchange],
      fetch: (to, options) => {
        methods.push(options.method)
        return fetch(to, options)
      },
    })
    const name = `by urql ${preferGetMethod}`
    const created = await client.mutation(CREATE, job(name)).toPromise()
    const read = await client.query(JOB, { id: created.data.createJob.id }).toPromise()
    assert.equal(read.data.job.name, name)
    assert.equal(methods[0], 'POST')
    if (preferGetMethod) assert.equal(methods[1], 'GET')
    const refusal = await client.mutation(CREATE, WRONG).toPromise()
    assert.equal(refusal.error.graphQLErrors[0].extensions.field, 'cronExpression')
  })
}

for (const path of PATHS) {
  test(`graphql-ws at ${path}`, async () => {
    const client = createClient({ url: url(path).replace('http', 'ws'), webSocketImpl: WebSocket })
    const events = client.iterate({ query: 'subscription { overviewUpdated { cluster { activeNodes } } }' })
    const { value } = await events.next()
    assert.equal(value.data.overviewUpdated.cluster.activeNodes, 1)
    await events.return()
    await client.dispose()
  })
}

test('graphql-codegen with the schema of the node', async () => {
  const answer = await fetch(url(), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: getIntrospectionQuery({ oneOf: true, inputValueDeprecation: true }) }),
  })
  const schema = buildClientSchema((await answer.json()).data)
  const text = await codegen({
    filename: 'generated.ts',
    schema: parse(printSchema(schema)),
    schemaAst: schema,
    documents: [{ location: 'operations.graphql', document: parse(`${CREATE} ${JOB}`) }],
    config: {},
    plugins: [{ types: {} }, { operations: {} }],
    pluginMap: { types, operations },
  })
  assert.match(text, /export type CreateMutationVariables/)
  assert.match(text, /export type JobQuery /)
})
