// What people on call come for, by clicks counted from the overview: five at most. Typing is not counted, nor is the way from
// field to field, which is a key. "Who changed it?" is in access.test.mjs: on an open cluster every change is by the same caller.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, graphql } from './cluster.mjs'
import { cluster, go, input, more, page, row } from './harness.mjs'

const CLICKS_MAX = 5
/** Nothing listens there: each run fails. */
const UNREACHABLE = { http: { url: 'http://127.0.0.1:1/' } }
/** It runs when it is told to. */
const AT_REST = { scheduleType: 'FIXED_RATE', intervalSeconds: 3600, initialDelaySeconds: 3600 }

let clicks = 0
const click = async (target) => {
  clicks += 1
  await target.click()
}
const navigate = (name) => click(page.getByRole('navigation').getByRole('link', { name, exact: true }))
const job = (name) => click(page.getByRole('link', { name, exact: true }).first())

/** A task begins at the overview. */
function task(name, prepare, work) {
  test(name, async () => {
    const prepared = await prepare()
    await go('/')
    await page.getByRole('status', { name: 'All in all' }).waitFor()
    clicks = 0
    await work(prepared)
    assert.ok(clicks <= CLICKS_MAX, `${clicks} clicks`)
  })
}

async function lastStatus(id) {
  const { job } = await graphql(
    cluster.url,
    'query($id: ID!) { job(id: $id) { recentExecutions(count: 1) { status } } }',
    { id },
  )
  return job.recentExecutions[0]?.status
}
const remove = (id) => graphql(cluster.url, 'mutation($id: ID!) { deleteJob(id: $id) }', { id })

task(
  'whether all is well is seen at once, and a job whose last run failed is not well',
  () =>
    eventually(
      'all is well',
      async () => (await graphql(cluster.url, '{ overview { attentionTotal } }')).overview.attentionTotal === 0,
    ),
  async () => {
    const headline = page.getByRole('status', { name: 'All in all' })
    await headline.getByText('All is well').waitFor()
    const id = await input({ name: 'fails once', ...AT_REST, initialDelaySeconds: 0, target: UNREACHABLE })
    await headline.getByText('One job needs attention').waitFor()
    await page.getByRole('link', { name: 'fails once' }).first().waitFor()
    await remove(id)
    await headline.getByText('All is well').waitFor()
    assert.equal(clicks, 0)
  },
)

task(
  'what failed since yesterday, and why, is one list',
  async () => {
    const id = await input({ name: 'nightly import', ...AT_REST, initialDelaySeconds: 0, target: UNREACHABLE })
    await eventually('it has failed', async () => (await lastStatus(id)) === 'FAILED')
    return id
  },
  async (id) => {
    await click(page.getByRole('link', { name: /failures? in the last hour/ }))
    await click(page.getByRole('button', { name: 'Time', exact: true }))
    await click(page.getByRole('menuitem', { name: 'Since yesterday', exact: true }))
    await row('nightly import')
      .getByText(/could not connect/i)
      .first()
      .waitFor()
    await remove(id)
  },
)

task(
  'a runaway job is stopped with all that it runs',
  async () => {
    const target = { noop: { sleepMillis: 86_400_000 } }
    const id = await input({ name: 'runaway', scheduleType: 'FIXED_RATE', intervalSeconds: 1, target })
    const inFlight = async () => {
      const { job } = await graphql(cluster.url, 'query($id: ID!) { job(id: $id) { inFlight } }', { id })
      return job.inFlight
    }
    await eventually('it runs more than once', async () => (await inFlight()) > 2)
    return inFlight
  },
  async (inFlight) => {
    await navigate('Jobs')
    await click(more('runaway'))
    await click(page.getByRole('menuitem', { name: 'Pause' }))
    await click(page.getByRole('checkbox', { name: /^Cancel the \d+ that run/ }))
    await click(page.getByRole('dialog').getByRole('button', { name: 'Pause' }))
    await row('runaway').locator('[data-status=PAUSED]').waitFor()
    await eventually('nothing of it runs', async () => (await inFlight()) === 0)
  },
)

task(
  'a job is moved from 02:00 to 03:00 in Berlin, and its fire times are seen before it is saved',
  () => input({ name: 'Berlin report', scheduleType: 'CRON', cronExpression: '0 2 * * *', timeZone: 'Europe/Berlin' }),
  async (id) => {
    await navigate('Jobs')
    await job('Berlin report')
    await click(page.getByRole('link', { name: 'Edit' }))
    await click(page.getByLabel('Expression', { exact: true }))
    await page.getByLabel('Expression', { exact: true }).fill('0 3 * * *')
    await page.getByText('Saving changes fire times').waitFor()
    await click(page.getByRole('button', { name: 'Save changes' }))
    await eventually('the job is saved', async () => {
      const saved = await graphql(cluster.url, `{ job(id: "${id}") { cronExpression } }`)
      return saved.job.cronExpression === '0 3 * * *'
    })
  },
)

task(
  'what failed since yesterday runs again',
  async () => {
    const id = await input({ name: 'failed report', ...AT_REST, initialDelaySeconds: 0, target: UNREACHABLE })
    const executions = async () => {
      const rows = 'query($id: ID!) { job(id: $id) { executions(first: 10) { nodes { kind status fireTime } } } }'
      const { job } = await graphql(cluster.url, rows, { id })
      return job.executions.nodes
    }
    await eventually('it has failed', async () => (await executions())[0]?.status === 'FAILED')
    return executions
  },
  async (executions) => {
    await click(page.getByRole('link', { name: /failures? in the last hour/ }))
    await click(page.getByRole('button', { name: 'Time', exact: true }))
    await click(page.getByRole('menuitem', { name: 'Since yesterday', exact: true }))
    await click(page.getByRole('button', { name: 'Run again…' }))
    await click(page.getByRole('dialog').getByRole('button', { name: /^Run \d+ again/ }))
    const [again, first] = await eventually('it has run again', async () => {
      const rows = await executions()
      return rows.length === 2 && rows.every(({ status }) => status === 'FAILED') && rows
    })
    assert.deepEqual([again.kind, again.fireTime], ['RERUN', first.fireTime])
  },
)

task(
  'why a job did not run at a time is told, also when it was paused then',
  async () => {
    const id = await input({ name: 'paused probe', scheduleType: 'FIXED_RATE', intervalSeconds: 2 })
    const change = (command) => graphql(cluster.url, `mutation($id: ID!) { ${command}(id: $id) { id } }`, { id })
    const asked = '{ overview { cluster { databaseTime } } }'
    const now = async () => Date.parse((await graphql(cluster.url, asked)).overview.cluster.databaseTime)
    const { job } = await graphql(cluster.url, 'query($id: ID!) { job(id: $id) { nextFireTime } }', { id })
    await change('pauseJob')
    // Two of its fire times after the pause at the earliest, and the resume at the latest.
    const missed =
      Date.parse(job.nextFireTime) + 2_000 * Math.ceil(((await now()) - Date.parse(job.nextFireTime)) / 2_000)
    await eventually('a fire time has passed', async () => (await now()) > missed + 1_000)
    await change('resumeJob')
    return new Date(missed).toISOString()
  },
  async (missed) => {
    await navigate('Jobs')
    await job('paused probe')
    await click(page.getByLabel('Why did it run, or not run, at'))
    await page.getByLabel('Why did it run, or not run, at').fill(missed)
    await click(page.getByRole('button', { name: 'Explain' }))
    await page.getByText('The job was paused.').waitFor()
  },
)

task(
  'a webhook with a header and retries is created',
  async () => {},
  async () => {
    await navigate('Jobs')
    await click(page.getByRole('link', { name: 'New job' }))
    await page.getByLabel('Name', { exact: true }).fill('hook with a header')
    await page.getByLabel('URL').fill(cluster.sinkUrl)
    const headers = page.getByRole('textbox', { name: 'Headers' })
    await headers.focus()
    await page.keyboard.insertText('{"X-Team": "ops"}')
    await page.getByLabel('Attempts').fill('3')
    await click(page.getByRole('button', { name: 'Create job' }))
    await page.getByRole('heading', { level: 1, name: 'hook with a header' }).waitFor()
    const id = page.url().split('/').at(-1)
    const { job } = await graphql(cluster.url, `{ job(id: "${id}") { target retry { maxAttempts } } }`)
    assert.equal(job.retry.maxAttempts, 3)
    assert.match(JSON.stringify(job.target), /X-Team/)
  },
)

task(
  'what runs tonight at 02:00 is listed',
  async () => {
    // On the clock of the browser.
    const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone
    await input({ name: 'night work', scheduleType: 'CRON', cronExpression: '0 2 * * *', timeZone })
  },
  async () => {
    await navigate('Upcoming')
    await click(page.getByRole('button', { name: /, 02:00 to 02:\d\d: / }).first())
    await page.getByRole('heading', { name: /, 02:00 to 02:\d\d$/ }).waitFor()
    await page.getByRole('region', { name: 'Agenda' }).getByRole('link', { name: 'night work' }).waitFor()
  },
)

task(
  'a node without a free slot is named',
  async () => {
    const small = await cluster.add('small', ['--slots', '1'])
    const nodes = '{ nodes { name fullSince } }'
    const isFull = async () =>
      (await graphql(cluster.url, nodes)).nodes.some((node) => node.name === 'small' && node.fullSince)
    for (let number = 0; number < 60 && !(await isFull()); number += 1) {
      await input({
        name: `slot ${number}`,
        tags: ['slots'],
        scheduleType: 'ONCE',
        startAt: new Date(Date.now() + 200).toISOString(),
        target: { noop: { sleepMillis: 86_400_000 } },
      })
    }
    await eventually('it has no free slot', isFull)
    return small
  },
  async (small) => {
    await navigate('Nodes')
    await page.getByRole('region', { name: 'Overload' }).getByText('Overloaded: small').waitFor()
    await graphql(cluster.url, 'mutation { deleteJobs(filter: {tags: ["slots"]}, cancelRunning: true) { changed } }')
    await small.stop()
  },
)
