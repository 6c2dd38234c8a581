import { screen, waitFor, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { BlackoutRowFragment } from '@/api/generated'
import { overview } from '@/testing/factories'
import { last, open } from '@/testing/render'

/** Hours from the database's time, as the factory has it. */
const hours = (from: number) => new Date(Date.parse(overview().cluster.databaseTime) + from * 3_600_000).toISOString()
const blackout = (given: Partial<BlackoutRowFragment>): BlackoutRowFragment => ({
  id: 'b',
  reason: 'database move',
  startsAt: hours(1),
  endsAt: hours(2),
  tag: null,
  jobId: null,
  onEnd: 'COLLAPSE',
  ...given,
})
const exclusions = (...blackouts: BlackoutRowFragment[]) => ({ Exclusions: () => ({ calendars: [], blackouts }) })

test('the question names the blackout and whom it concerns, and its buttons cannot be mistaken', async () => {
  const { asked, user } = await open('/calendars', {
    ...exclusions(blackout({ tag: 'reports' })),
    EndBlackout: () => ({ endBlackout: { id: 'b' } }),
  })
  await user.click(await screen.findByRole('button', { name: 'Cancel…' }))
  const question = await screen.findByRole('dialog', { name: 'Cancel “database move”?' })
  expect(question.textContent).toContain('The blackout of jobs with the tag reports is removed before its start.')
  expect(within(question).queryByRole('button', { name: 'Cancel' })).toBeNull()
  await user.click(within(question).getByRole('button', { name: 'Keep it' }))
  expect(last(asked, 'EndBlackout')).toBeUndefined()
  await user.click(screen.getByRole('button', { name: 'Cancel…' }))
  await user.click(screen.getByRole('button', { name: 'Cancel blackout' }))
  await waitFor(() => expect(last(asked, 'EndBlackout')).toEqual({ id: 'b' }))
})

test('the blackout of one job says which', async () => {
  await open('/calendars', {
    ...exclusions(blackout({ jobId: 'j', startsAt: hours(-1) })),
    JobName: () => ({ job: { id: 'j', name: 'Payroll' } }),
  })
  expect((await screen.findByRole('link', { name: 'Payroll' })).getAttribute('href')).toBe('/jobs/j')
  expect(screen.getByRole('button', { name: 'End now…' })).toBeTruthy()
})
