import { screen, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { last, open } from '@/testing/render'

const FROM = Date.parse('2026-11-23T21:46:00.000Z')
const at = (minute: number) => new Date(FROM + minute * 60_000).toISOString()

/** A fire time each minute, and one more in the minute 254: 02:00 UTC. */
const upcoming = {
  from: at(0),
  buckets: [...Array(24 * 60).keys()].map((minute) => (minute === 254 ? 2 : 1)),
  jobs: 2,
  complete: true,
  crowded: [{ at: at(254), fires: 2, jobs: ['Nightly', 'Probe'] }],
}
const job = (given: object) => ({
  id: 'p',
  name: 'Probe',
  scheduleType: 'FIXED_RATE',
  cronExpression: null,
  intervalSeconds: 60,
  startAt: null,
  nextFireTime: at(0),
  nextFireTimes: [...Array(100).keys()].map(at),
  ...given,
})
const planned = [job({}), job({ id: 'n', name: 'Nightly', nextFireTime: at(254), nextFireTimes: [at(254)] })]

const ANSWERS = {
  Upcoming: () => ({ upcoming }),
  PlannedJobs: () => ({ jobsPage: { nodes: planned, pageInfo: { hasNextPage: false, endCursor: null } } }),
}

test('a cell leads to the jobs that fire in it, the rarest first', async () => {
  const { user, asked } = await open('/upcoming', ANSWERS)
  expect(await screen.findByText('1,441 fire times of 2 jobs')).toBeTruthy()
  const cells = await screen.findAllByRole('button', { name: /: 11$/ })
  expect(cells).toHaveLength(1)
  await user.click(cells[0] as HTMLElement)
  const jobs = (await screen.findAllByRole('link', { name: /^(Nightly|Probe)$/ }))
    .filter((link) => link.getAttribute('href')?.startsWith('/jobs/'))
    .map((link) => link.closest('li')?.textContent)
  expect(jobs[0]).toMatch(/^Nightly/)
  expect(jobs[1]).toBe('ProbeEvery 1 min')
  expect(last(asked, 'PlannedJobs')).toMatchObject({ first: 100, count: 100 })
})

test('arrows go from cell to cell, and one of them is a stop of the Tab key', async () => {
  const { user } = await open('/upcoming', ANSWERS)
  const cells = within(await screen.findByRole('table')).getAllByRole('button')
  expect(cells.filter((cell) => cell.tabIndex === 0)).toEqual([cells[0]])
  cells[0]?.focus()
  await user.keyboard('{ArrowRight}{ArrowDown}')
  const focused = document.activeElement as HTMLElement
  expect(focused.closest('td')?.cellIndex).toBe(cells[1]?.closest('td')?.cellIndex)
  expect(focused.tabIndex).toBe(0)
})

test('a crowded minute leads to its jobs', async () => {
  await open('/upcoming', ANSWERS)
  expect((await screen.findByRole('link', { name: 'Nightly' })).getAttribute('href')).toBe('/jobs?search=Nightly')
})
