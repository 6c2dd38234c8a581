import { screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { overview } from '@/testing/factories'
import { open } from '@/testing/render'
import { openJob } from './factories'

test('the head says what the job calls', async () => {
  await openJob({})
  expect(await screen.findByText('PUT https://example.com/pay')).toBeTruthy()
})

test('a job that a failure paused leads to that execution', async () => {
  const id = '018f3c00-0000-7000-8000-000000000001'
  await openJob({ status: 'PAUSED', pauseReason: `execution ${id} failed` })
  expect((await screen.findByRole('link', { name: id })).getAttribute('href')).toBe(`/executions/${id}`)
})

test('a failing job says since when and why, and leads to the execution', async () => {
  const failing = { executionId: 'e1', since: '2026-11-23T07:00:00.000Z', message: 'connection refused' }
  await openJob({ state: 'FAILING', failing })
  expect(await screen.findByText(/connection refused/)).toBeTruthy()
  expect(screen.getByRole('link', { name: 'See the execution' }).getAttribute('href')).toBe('/executions/e1')
})

test('a job that an exclusion holds back says which and until when', async () => {
  const excludedBy = {
    kind: 'BLACKOUT',
    name: 'Network maintenance',
    from: '2026-11-23T07:00:00.000Z',
    until: '2999-11-23T08:00:00.000Z',
    onEnd: 'COLLAPSE',
  } as const
  await openJob({ state: 'WAITING', excludedBy })
  const notice = (await screen.findByText(/^Closed/)).closest('p')
  expect(notice?.textContent).toMatch(
    /^Closed until .*: Network maintenance. One of its fire times until then runs at the end/,
  )
})

test('a job that has ended says so, and is not offered to be paused', async () => {
  await openJob({ state: 'ENDED', hasEnded: true })
  expect(await screen.findByText(/Its schedule has no fire time left/)).toBeTruthy()
  expect(screen.queryByRole('button', { name: 'Pause' })).toBeNull()
  expect(screen.getByRole('button', { name: 'Run now' })).toBeTruthy()
})

test('a job that waits says for what', async () => {
  const { cluster } = overview()
  const full = { ...cluster, slots: 64, executionsRunning: 64 }
  await openJob({ state: 'WAITING' }, { Overview: () => ({ overview: overview({ cluster: full }) }) })
  expect(await screen.findByText('a fire time has come, and all 64 slots are taken.')).toBeTruthy()
})

test('a job that waits behind itself says so', async () => {
  await openJob({ state: 'WAITING', inFlight: 1, overlapPolicy: 'BUFFER_ALL' })
  expect(await screen.findByText('its next fire time waits behind the execution that runs.')).toBeTruthy()
})

test('many tags do not push the rest of the head away', async () => {
  await openJob({ tags: [...Array(9).keys()].map((number) => `tag ${number}`) })
  expect(await screen.findByText('and 3 more tags')).toBeTruthy()
  expect(screen.queryByRole('link', { name: 'tag 6' })).toBeNull()
})

test('a job that does not exist has a heading and a title of its own', async () => {
  await open('/jobs/j', { Job: () => ({ job: null }) })
  await screen.findByRole('heading', { level: 1, name: 'There is no such job' })
  expect(document.title).toBe('There is no such job · Horolog')
})
