import { screen, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { last } from '@/testing/render'
import { type JobOfPage, openJob } from './factories'

const once: Partial<JobOfPage> = {
  name: 'Export',
  status: 'PAUSED',
  pausedBecause: 'the target moves',
  scheduleType: 'ONCE',
  intervalSeconds: null,
  startAt: '2026-11-23T07:00:00.000Z',
  target: { log: {} },
  createdAt: '2026-11-23T06:00:00.000Z',
  updatedAt: '2026-11-23T06:30:00.000Z',
}

test('a paused job says why, and what is held until it is resumed', async () => {
  await openJob(once)
  expect(
    await screen.findByText(/what waits behind an execution or for its next attempt is held until then/),
  ).toBeTruthy()
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
