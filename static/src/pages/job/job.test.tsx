import { screen, waitFor, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { executionRow } from '@/testing/factories'
import { last, pageOf } from '@/testing/render'
import { type JobOfPage, openJob } from './factories'

const once: Partial<JobOfPage> = {
  name: 'Export',
  status: 'PAUSED',
  pauseReason: 'the target moves',
  scheduleType: 'ONCE',
  intervalSeconds: null,
  startAt: '2026-11-23T07:00:00.000Z',
  target: { log: {} },
  createdAt: '2026-11-23T06:00:00.000Z',
  updatedAt: '2026-11-23T06:30:00.000Z',
}

test('a paused job says why, and what is held until it is resumed', async () => {
  await openJob(once)
  expect(await screen.findByText(/buffered executions and further attempts wait until then/)).toBeTruthy()
  expect(screen.getByText(/the target moves/)).toBeTruthy()
  expect(screen.queryByRole('button', { name: 'Resume and run' })).toBeNull()
})

test('one that was paused over its only time says so, and runs with the resume', async () => {
  const { asked, user } = await openJob({ ...once, missedFireTime: '2026-11-23T07:00:00.000Z' })
  expect(await screen.findByText(/has passed: it runs only if you resume and run it/)).toBeTruthy()
  await user.click(within(screen.getByRole('main')).getByRole('button', { name: 'Resume and run' }))
  await screen.findByText('“Export” fires again.')
  expect(last(asked, 'ResumeJob')).toEqual({ id: 'j', runMissed: true })
})

const UNEXPLAINED = {
  reason: 'NOT_A_FIRE_TIME' as const,
  message: 'it is not a fire time of the schedule',
  since: null,
  until: null,
  by: null,
  before: '2026-11-23T08:00:00.000Z',
  after: '2026-11-23T10:00:00.000Z',
  execution: null,
}

test('why it did not run at a time is explained, and the nearest fire times are the next questions', async () => {
  const { asked, user } = await openJob(
    {},
    {
      ExplainFireTime: ({ at }) => ({
        explainFireTime: String(at).endsWith('10:00:00.000Z')
          ? { ...UNEXPLAINED, reason: 'PAUSED', message: 'the job was paused', by: 'api', before: null, after: null }
          : UNEXPLAINED,
      }),
    },
  )
  const field = await screen.findByLabelText('Why did it run, or not run, at')
  await user.type(field, '2026-11-23T09:00:00Z')
  await user.click(screen.getByRole('button', { name: 'Explain' }))
  const answer = await screen.findByRole('region', { name: 'Explanation' })
  expect(await within(answer).findByText('That is not a fire time of the schedule.')).toBeTruthy()
  expect(last(asked, 'ExplainFireTime')).toEqual({ jobId: 'j', at: '2026-11-23T09:00:00.000Z' })
  const [, after] = within(answer).getAllByRole('button')
  await user.click(after as HTMLElement)
  expect(await within(answer).findByText('The job was paused.')).toBeTruthy()
  expect(last(asked, 'ExplainFireTime')).toEqual({ jobId: 'j', at: '2026-11-23T10:00:00.000Z' })
})

test('what a skipped fire time says leads to its execution', async () => {
  const execution = { id: 'e', status: 'SKIPPED', reason: 'OVERLAP', occurrences: 1, errorMessage: null }
  const explained = { ...UNEXPLAINED, reason: 'SKIPPED' as const, before: null, after: null, execution }
  const { user } = await openJob({}, { ExplainFireTime: () => ({ explainFireTime: explained }) })
  await user.type(await screen.findByLabelText('Why did it run, or not run, at'), '2026-11-23T09:00:00Z')
  await user.click(screen.getByRole('button', { name: 'Explain' }))
  const answer = await screen.findByRole('region', { name: 'Explanation' })
  expect(await within(answer).findByText(/Another execution of the job was in flight/)).toBeTruthy()
  expect(within(answer).getByRole('link').getAttribute('href')).toBe('/executions/e')
})

test('the timeline shades what a calendar and a blackout left out', async () => {
  const at = (minutes: number) => new Date(Date.parse('2026-11-23T06:00:00.000Z') + minutes * 60_000).toISOString()
  const ran = executionRow({ fireTime: at(0), dueTime: at(0), startedAt: at(0), finishedAt: at(1) })
  const skipped = executionRow({
    status: 'SKIPPED',
    reason: 'CALENDAR',
    fireTime: at(10),
    dueTime: at(10),
    throughFireTime: at(20),
    occurrences: 3,
    startedAt: null,
    finishedAt: at(21),
  })
  const blackout = { id: 'b', reason: 'database move', startsAt: at(30), endsAt: at(40), tag: null, jobId: null }
  await openJob(
    {},
    {
      JobExecutions: () => ({ job: { executions: pageOf([skipped, ran]) } }),
      Exclusions: () => ({ calendars: [], blackouts: [{ ...blackout, onEnd: 'SKIP' }] }),
    },
  )
  expect(await screen.findByRole('img', { name: /^Closed from .*: 3 fire times left out$/ })).toBeTruthy()
  expect(screen.getByRole('img', { name: /^Blackout from .*: database move$/ })).toBeTruthy()
  expect(screen.getByText('closed')).toBeTruthy()
})

test('an obstacle is explained with its time and its author', async () => {
  const obstacle = { since: '2026-11-23T08:00:00.000Z', until: '2026-11-23T10:00:00.000Z', by: 'ada' }
  const explained = { ...UNEXPLAINED, reason: 'PAUSED' as const, execution: null, ...obstacle }
  const { user } = await openJob({}, { ExplainFireTime: () => ({ explainFireTime: explained }) })
  await user.type(await screen.findByLabelText('Why did it run, or not run, at'), '2026-11-23T09:00:00Z')
  await user.click(screen.getByRole('button', { name: 'Explain' }))
  const text = (await screen.findByRole('region', { name: 'Explanation' })).textContent
  await waitFor(() => expect(text).toMatch(/since .*23 Nov 2026.* until .*23 Nov 2026.* by ada/))
})

test('the newest executions keep their places under the pointer', async () => {
  const row = (nodeName: string) => executionRow({ id: nodeName, jobId: 'j', nodeName })
  let rows = ['b', 'a'].map(row)
  const { user, queries } = await openJob({}, { JobExecutions: () => ({ job: { executions: pageOf(rows) } }) })
  const table = await screen.findByRole('region', { name: 'Newest executions' })
  const nodes = () =>
    within(table)
      .getAllByRole('row')
      .slice(1)
      .map((one) => one.textContent?.match(/[abc](?=Schedule)/)?.[0])
  expect(nodes()).toEqual(['b', 'a'])
  await user.hover(within(table).getAllByRole('cell')[0] as HTMLElement)
  rows = ['c', 'b', 'a'].map(row)
  await queries.invalidateQueries()
  await screen.findByText('last 3 executions')
  expect(nodes()).toEqual(['b', 'a'])
  await user.unhover(within(table).getAllByRole('cell')[0] as HTMLElement)
  await waitFor(() => expect(nodes()).toEqual(['c', 'b', 'a']))
})

test('a blackout of all jobs is changed on the page of all blackouts', async () => {
  const blackout = { id: 'b', reason: 'move', startsAt: '2999-01-01T00:00:00.000Z', endsAt: '2999-01-01T01:00:00.000Z' }
  const all = { ...blackout, tag: null, jobId: null, onEnd: 'COLLAPSE' }
  await openJob({}, { Exclusions: () => ({ calendars: [], blackouts: [all] }) })
  expect((await screen.findByRole('link', { name: 'Change it in Calendars' })).getAttribute('href')).toBe('/calendars')
  expect(screen.queryByRole('button', { name: 'Cancel…' })).toBeNull()
  expect(screen.queryByRole('button', { name: 'Move end…' })).toBeNull()
})
