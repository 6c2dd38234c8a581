import { screen, waitFor, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { ExecutionQuery } from '@/api/generated'
import { executionRow } from '@/testing/factories'
import { last, open } from '@/testing/render'

type Execution = NonNullable<ExecutionQuery['execution']>

const job = {
  id: 'j',
  name: 'Report',
  status: 'ACTIVE',
  scheduleType: 'CRON',
  timeZone: 'Asia/Kathmandu',
  version: 1,
  overlapPolicy: 'SKIP',
  misfirePolicy: 'FIRE_ONCE',
  misfireGraceSeconds: 60,
  timeoutSeconds: null,
  maxRecoveries: 3,
  retry: { maxAttempts: 3 },
}

async function see(given: Partial<Execution>, more = {}) {
  const execution = {
    ...executionRow({ jobName: 'Report' }),
    jobVersion: 1,
    createdAt: '2026-11-23T07:15:00.000Z',
    nodeId: 'n1',
    errorMessage: null,
    output: null,
    previousAttempts: null,
    coalescedInto: null,
    repeats: null,
    repeatedBy: [],
    payload: null,
    ...given,
  }
  const answers = { Execution: () => ({ execution }), ExecutionJob: () => ({ job }), ...more }
  return { ...(await open(`/executions/${execution.id}`, answers)), execution }
}

test('a skipped one says why, and leads to what stands for it', async () => {
  await see({
    status: 'SKIPPED',
    reason: 'COALESCED',
    attempt: 0,
    occurrences: 3,
    coalescedInto: 'other',
    startedAt: null,
  })
  expect(await screen.findByText(/folded into another fire time.*stands for 3 fire times/)).toBeTruthy()
  expect(screen.getByRole('link', { name: 'See the execution that runs in its place' }).getAttribute('href')).toBe(
    '/executions/other',
  )
  expect(screen.queryByRole('region', { name: 'Attempts' })).toBeNull()
})

test('one that waits for its next attempt says so, and its last attempt has ended', async () => {
  const failed = {
    attempt: 12,
    nodeId: 'n1',
    startedAt: '2026-11-23T07:15:00.000Z',
    endedAt: '2026-11-23T07:15:00.004Z',
    outcome: 'FAILED',
    reason: 'ERROR',
  }
  await see({
    status: 'RETRYING',
    reason: 'ERROR',
    attempt: 12,
    startedAt: failed.startedAt,
    finishedAt: null,
    durationMillis: null,
    previousAttempts: [failed],
  })
  const panel = (await screen.findByRole('heading', { name: 'What happened' })).closest('section')
  expect(panel?.textContent).toContain('The next attempt is scheduled.')
  expect(panel?.textContent).toMatch(/Attempt 12 started.*then 4 msAttempt 12 failed.*Retrying$/)
})

test('one that waits for its next attempt says when that is due', async () => {
  const next = { status: 'RETRYING', reason: 'ERROR' as const, attempt: 2, finishedAt: null, durationMillis: null }
  await see({ ...next, nextAttemptAt: '2999-11-23T07:20:00.000Z' })
  const panel = (await screen.findByRole('heading', { name: 'What happened' })).closest('section')
  expect(panel?.textContent).toMatch(/Attempt 3 due.*in .*Retrying$/)
})

test('a fire time stands on the clock of the job too, where a clock decides about it', async () => {
  await see({})
  const details = (await screen.findByRole('heading', { name: 'Details' })).closest('section')
  await waitFor(() => expect(details?.textContent).toContain('· 13:00 Kathmandu'))
})

test('errors and outputs are text, never HTML', async () => {
  const hostile = '<img src=x onerror=alert(1)>'
  await see({ status: 'FAILED', reason: 'ERROR', errorMessage: hostile, output: '{"html":"<b>bold</b>"}' })
  expect((await screen.findByRole('region', { name: 'Error' })).textContent).toBe(hostile)
  expect(screen.getByRole('region', { name: 'Output' }).textContent).toBe('{\n  "html": "<b>bold</b>"\n}')
  expect(document.querySelector('img, b')).toBeNull()
})

test('only what runs can be cancelled, and only when one is sure', async () => {
  const { asked, user, execution } = await see(
    { status: 'RUNNING', finishedAt: null, durationMillis: null },
    { CancelExecution: () => ({ cancelExecution: true }) },
  )
  await user.click(await screen.findByRole('button', { name: 'Cancel…' }))
  expect(last(asked, 'CancelExecution')).toBeUndefined()
  await user.click(await screen.findByRole('button', { name: 'Cancel execution' }))
  await waitFor(() => expect(last(asked, 'CancelExecution')).toEqual({ id: execution.id }))
})

test('what has ended cannot be cancelled, but its job can run again', async () => {
  const { asked, user, execution } = await see({ status: 'SUCCESS' }, { RunJobNow: () => ({ runJobNow: true }) })
  await user.click(await screen.findByRole('button', { name: 'Run job now' }))
  await screen.findByText('The job fires now, as a new execution.')
  expect(last(asked, 'RunJobNow')).toEqual({ id: execution.jobId })
  expect(screen.queryByRole('button', { name: 'Cancel…' })).toBeNull()
})

test('a fire time runs again, and leads to what repeats it and what it repeats', async () => {
  const given = {
    status: 'FAILED',
    reason: 'ERROR' as const,
    repeats: 'before',
    repeatedBy: ['newest', 'first'],
    payload: '{"of":"run"}',
  }
  const answers = { RerunExecution: () => ({ rerunExecution: { id: 'newest', created: false } }) }
  const { asked, user, execution } = await see(given, answers)
  await user.click(await screen.findByRole('button', { name: 'Run this fire time again' }))
  await screen.findByText('Its fire time runs again already.')
  expect(last(asked, 'RerunExecution')).toEqual({ id: execution.id })
  const linkOf = (name: RegExp) => screen.getByRole('link', { name }).getAttribute('href')
  expect(linkOf(/run again 2 times: see the last/)).toBe('/executions/newest')
  expect(linkOf(/runs the fire time of another execution again/)).toBe('/executions/before')
  expect(screen.getByRole('region', { name: 'Payload' }).textContent).toBe('{\n  "of": "run"\n}')
})

test('what runs, and a row that stands for several fire times, does not run again', async () => {
  await see({ status: 'SKIPPED', reason: 'MISFIRE', occurrences: 3 })
  await screen.findByRole('button', { name: 'Run job now' })
  expect(screen.queryByRole('button', { name: 'Run this fire time again' })).toBeNull()
})

test('each attempt names its node and how it ended', async () => {
  const nodes = { NodeNames: () => ({ nodes: [{ id: 'n0', name: 'node-dead', state: 'DEAD' }] }) }
  const lost = {
    attempt: 1,
    nodeId: 'n0',
    startedAt: '2026-11-23T07:15:00+00:00',
    endedAt: '2026-11-23T07:15:02+00:00',
    outcome: 'LOST',
  }
  await see({ attempt: 2, previousAttempts: [lost] }, nodes)
  const table = await screen.findByRole('region', { name: 'Attempts' })
  await waitFor(() => {
    const rows = within(table).getAllByRole('row').slice(1)
    expect(rows.map((row) => row.textContent)).toEqual(
      ['1node-dead07:15:002 sLost', '2node-107:15:00842 msSuccess'].map(anyClock),
    )
  })
})

/** The clock of the viewer's zone stands in the cells; what it shows is tested elsewhere. */
const anyClock = (text: string) => expect.stringMatching(new RegExp(`^${text.replace('07:15:00', '.*')}$`))

test('an execution that cannot be read says so as the heading and the title of its page', async () => {
  await open('/executions/e', { Execution: () => new Error('the job store did not answer') })
  expect(await screen.findByRole('heading', { level: 1, name: 'Cannot show the execution' })).toBeTruthy()
  expect(document.title).toBe('Cannot show the execution · Horolog')
})

const DAY = '2026-11-23T07:'
const three = ['00', '15', '30'].map((minute, place) => ({ id: `e${place}`, fireTime: `${DAY}${minute}:00.000Z` }))

/** The list of the API: newest first, after an execution, from an instant to before another. */
function listed({ first, after, filter }: Record<string, unknown>) {
  const { from, to } = filter as { from?: string; to?: string }
  const found = three
    .toReversed()
    .filter(
      ({ id, fireTime }) => !(after && id >= String(after)) && !(from && fireTime < from) && !(to && fireTime >= to),
    )
  const nodes = found.slice(0, Number(first))
  return { executionsPage: { nodes, pageInfo: { hasNextPage: nodes.length < found.length } } }
}

test('the execution before and the one after of the same job are a click or a key away', async () => {
  const { user, address, asked } = await see(three[1] ?? {}, { JobExecutionIds: listed })
  const next = await screen.findByRole<HTMLButtonElement>('button', { name: 'Next execution of the job' })
  await waitFor(() => expect(next.disabled).toBe(false))
  expect(last(asked, 'JobExecutionIds')?.filter).toMatchObject({ jobId: expect.any(String) })
  await user.keyboard('n')
  await waitFor(() => expect(address()).toBe('/executions/e2'))
})

test('the first execution has none before it', async () => {
  const { user, address } = await see(three[0] ?? {}, { JobExecutionIds: listed })
  const next = await screen.findByRole<HTMLButtonElement>('button', { name: 'Next execution of the job' })
  await waitFor(() => expect(next.disabled).toBe(false))
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Previous execution of the job' }).disabled).toBe(true)
  await user.keyboard('p')
  expect(address()).toBe('/executions/e0')
  await user.click(next)
  await waitFor(() => expect(address()).toBe('/executions/e1'))
})
