import { screen, waitFor, within } from '@testing-library/react'
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
const entry = (minute: number, ...names: string[]) => ({
  fireTime: at(minute),
  jobs: names.length,
  named: names.map((name) => ({ id: name, name })),
})
const agenda = { entries: [entry(254, 'Nightly', 'Report')], often: [entry(0, 'Probe')], complete: true }

const ANSWERS = { Upcoming: () => ({ upcoming }), Agenda: () => ({ agenda }) }

test('a cell leads to the jobs that fire in it, those that fire often apart', async () => {
  const { user, asked } = await open('/upcoming', ANSWERS)
  expect(await screen.findByText('1,441 fire times of 2 jobs')).toBeTruthy()
  expect(await screen.findByRole('heading', { name: 'Agenda of 24 hours' })).toBeTruthy()
  expect(last(asked, 'Agenda')).toMatchObject({ from: null, to: null, first: 100 })
  const cells = await screen.findAllByRole('button', { name: /: 11$/ })
  expect(cells).toHaveLength(1)
  await user.click(cells[0] as HTMLElement)
  await waitFor(() => expect(last(asked, 'Agenda')?.from).toMatch(/^2026-11-24T0/))
  const list = await screen.findByRole('region', { name: 'Agenda' })
  const jobs = within(list).getAllByRole('link')
  expect(jobs.map((link) => link.getAttribute('href'))).toEqual(['/jobs/Nightly', '/jobs/Report', '/jobs/Probe'])
  expect(within(list).getByRole('heading', { name: 'More than 12 times each' })).toBeTruthy()
})

test('what an address leaves out is left out of the plan and of the agenda', async () => {
  const { user, asked, address } = await open('/upcoming?tag=night&type=CRON', ANSWERS)
  const filter = { tags: ['night'], scheduleType: ['CRON'] }
  await screen.findByRole('region', { name: 'Agenda' })
  for (const operation of ['Upcoming', 'Agenda']) {
    expect(last(asked, operation)).toMatchObject({ filter, hideEverySeconds: null })
  }
  await user.selectOptions(screen.getByRole('combobox', { name: 'Frequent jobs' }), 'minute')
  await waitFor(() => expect(last(asked, 'Agenda')).toMatchObject({ filter, hideEverySeconds: 60 }))
  expect(last(asked, 'Upcoming')).toMatchObject({ hideEverySeconds: 60 })
  expect(address()).toBe('/upcoming?tag=night&type=CRON&hide=minute')
})

test('an agenda that is too long shows more when somebody asks', async () => {
  const { user, asked } = await open('/upcoming', {
    ...ANSWERS,
    Agenda: () => ({ agenda: { ...agenda, complete: false } }),
  })
  await user.click(await screen.findByRole('button', { name: 'Show more' }))
  await screen.findByText('Only the first 500 times are listed.')
  expect(last(asked, 'Agenda')?.first).toBe(500)
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
  const links = await screen.findAllByRole('link', { name: 'Nightly' })
  expect(links.map((link) => link.getAttribute('href'))).toContain('/jobs?search=Nightly')
})
