import { screen, waitFor, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { last, open, pageOf } from '@/testing/render'

// The database's time, as the factory has it: 07:15.
const at = (minutesAgo: number) => new Date(Date.parse('2026-11-23T07:15:00.000Z') - minutesAgo * 60_000).toISOString()
const FROM = '2026-11-22T07:30:00.000Z'

const cell = (given: object) => ({
  cell: 40,
  executionId: 'e1',
  status: 'SUCCESS',
  reason: null,
  at: at(225),
  durationMillis: 2_000,
  several: false,
  failures: 0,
  ...given,
})
const job = (name: string, cells: object[]) => ({
  id: name,
  name,
  status: 'ACTIVE',
  tags: ['billing'],
  scheduleType: 'FIXED_RATE',
  cronExpression: null,
  scheduleDescription: 'every minute',
  recentOutcomes: { from: FROM, failuresFrom: FROM, cells },
})
const failed = cell({ executionId: 'bad', cell: 46, status: 'FAILED', reason: 'ERROR', at: at(30), failures: 1 })
const answer = (...jobs: object[]) => ({ Timeline: () => ({ jobsPage: pageOf(jobs) }) })
const blackout = (given: object) => ({
  id: 'b',
  reason: 'database move',
  startsAt: at(120),
  endsAt: at(60),
  tag: null,
  jobId: null,
  onEnd: 'COLLAPSE',
  ...given,
})

test('a row says what failed, and each mark when, how and for how long, and leads to its execution', async () => {
  const { user, address } = await open('/timeline', {
    ...answer(job('Report', [cell({}), failed]), job('Idle', [])),
    Execution: () => ({ execution: null }),
  })
  const lane = await screen.findByRole('group', { name: 'Runs of Report: 1 failed' })
  expect(screen.getByRole('group', { name: 'Runs of Idle: nothing ran' })).toBeTruthy()
  const mark = within(lane).getByRole('link', { name: /^Failed · Error/ })
  expect(mark.getAttribute('aria-label')).toContain('Took 2 s')
  await user.hover(mark)
  await waitFor(() => expect(screen.getAllByText(/^Failed · Error/)).toHaveLength(1))
  await user.click(mark)
  await waitFor(() => expect(address()).toBe('/executions/bad'))
})

test('of each job one mark is a stop of the Tab key, the one that failed, and arrows go from mark to mark', async () => {
  const newest = cell({ executionId: 'e9', cell: 47, at: at(2) })
  await open('/timeline', answer(job('Report', [cell({}), failed, newest]), job('Other', [cell({ executionId: 'o' })])))
  const lane = await screen.findByRole('group', { name: 'Runs of Report: 1 failed' })
  const marks = within(lane).getAllByRole('link')
  expect(marks.map((mark) => mark.tabIndex)).toEqual([-1, 0, -1])
  const keys = async (key: string) =>
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  marks[1]?.focus()
  await keys('ArrowRight')
  expect(document.activeElement).toBe(marks[2])
  await keys('ArrowDown')
  expect((document.activeElement as HTMLElement).dataset.mark).toBe('o')
})

test('the view stands in the address, with the filters of the jobs', async () => {
  const { user, asked, address } = await open('/timeline?tag=billing', {
    ...answer(job('Report', [])),
    LastRunsPage: () => ({ jobsPage: pageOf([{ ...job('Report', []), recentExecutions: [] }]) }),
  })
  await screen.findByRole('link', { name: 'Report' })
  expect(last(asked, 'Timeline')).toMatchObject({ minutes: 1_440, cells: 48, filter: { tags: ['billing'] } })
  await user.click(screen.getByRole('button', { name: '1 hour' }))
  await waitFor(() => expect(last(asked, 'Timeline')).toMatchObject({ minutes: 60, cells: 60 }))
  expect(address()).toBe('/timeline?tag=billing&view=1h')
  await user.click(screen.getByRole('button', { name: 'Last runs' }))
  await waitFor(() => expect(last(asked, 'LastRunsPage')).toMatchObject({ first: 40, filter: { tags: ['billing'] } }))
})

test('it says from when on failures may be missing', async () => {
  const seen = { from: FROM, failuresFrom: at(60), cells: [] }
  await open('/timeline', answer({ ...job('Report', []), recentOutcomes: seen }))
  expect(await screen.findByText(/More than 5,000 executions ended badly/)).toBeTruthy()
})

test('a blackout is shaded in the rows of the jobs that it is for, and in no other', async () => {
  await open('/timeline', {
    ...answer(job('Report', []), { ...job('Other', []), tags: [] }),
    Exclusions: () => ({ calendars: [], blackouts: [blackout({ tag: 'billing' }), blackout({ endsAt: at(120) })] }),
  })
  const shade = await screen.findByRole('img', { name: /^Blackout from .*: database move$/ })
  expect(shade.closest('[role=group]')?.getAttribute('aria-label')).toContain('Runs of Report')
  expect(shade.style.width).toMatch(/^4\.16/)
})
